"""The one handler of every Lambda function: what a function is stands in `TIERWISE_STAGE`.

Nothing heavy is imported here: the stage's own module brings what the stage needs, at the first event. Parts and event
loop live as long as the process; a build that failed is tried again with the next event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from importlib import import_module
from os import environ as _variables
from typing import TYPE_CHECKING, Any, Final

from router_core.deployment import FUNCTIONS, JOB_FUNCTIONS, STAGE
from router_core.errors import ConfigurationError
from router_core.stages import NAMES

if TYPE_CHECKING:
    from gateway.hosts.composition import Parts

Act = Callable[[Mapping[str, Any], Any], Awaitable[Any]]
_BLOCKING: Final = ("analytics", "rotation")
"""Functions with a `handle` of their own, which need no event loop."""


class Host:
    """One function. `parts` replaces what it is made of in tests."""

    def __init__(self, environ: Mapping[str, str], parts: Parts | None = None) -> None:
        self.stage = environ.get(STAGE, "")
        known = (*NAMES, *FUNCTIONS, *JOB_FUNCTIONS)
        if self.stage not in known:
            raise ConfigurationError(f"{STAGE} must be one of {', '.join(known)}")
        self._environ, self._parts = environ, parts
        self._runner: asyncio.Runner | None = None
        self._act: Act | None = None

    def __call__(self, event: Mapping[str, Any], context: Any) -> Any:
        """One event."""
        if self.stage in _BLOCKING:
            return import_module(f"gateway.hosts.{self.stage}").handle(event, context)
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(self._answer(event, context))

    def close(self) -> None:
        """End what runs; Lambda ends processes without it, a host of several functions should not."""
        if self._runner is not None:
            if self._parts is not None:
                self._runner.run(self._parts.close())
            self._runner.close()

    async def _answer(self, event: Mapping[str, Any], context: Any) -> Any:
        if self._act is None:
            self._act = await self._build()
        return await self._act(event, context)

    async def _build(self) -> Act:
        from gateway.hosts.composition import Parts

        if self._parts is None:
            self._parts = Parts(self._environ)
        module = import_module(f"gateway.hosts.{_module(self.stage)}")
        act: Act = await module.build(self._parts)
        return act


def _module(stage: str) -> str:
    if stage in JOB_FUNCTIONS:
        return "jobs"
    return "stages" if stage in NAMES else stage


@cache
def _host() -> Host:
    return Host(_variables)


def handler(event: Mapping[str, Any], context: Any) -> Any:
    """Lambda's entry point."""
    return _host()(event, context)
