"""`tierwise explain --deliberate`: the fast decision, and the one that a model's advice makes of it, side by side.

Decides in this process, with all targets taken to be up and idle. With `--sandbox`, and nothing configured to ask, the local
stand-in for Bedrock is started and asked: its answer shows the way, not a model's judgement.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

from agents.weighing import Weighing
from gateway.cli.explaining.here import as_answer, decided
from gateway.cli.output import print_table
from gateway.composition.deliberation import Closers, open_deliberation
from gateway.composition.plan import Plan, plan
from gateway.composition.sandbox import NOT_STARTED, Access
from gateway.settings.loading import load
from gateway.settings.schema import Settings
from gateway.settings.secrets import Secret
from router_core.adapters.system_clock import SystemClock
from router_core.errors import ConfigurationError

WITHIN_S: Final = 20.0
"""A person waits longer than a request does; loading the SDKs alone takes seconds."""


def explain_twice(options: argparse.Namespace) -> dict[str, Any]:
    """Both answers, `{"fast": ..., "deliberated": ...}`. Raises `TierwiseError`s."""
    settings = load(options.config, os.environ)
    with _bedrock(settings, sandbox=options.sandbox) as access:
        made = plan(settings, os.environ, sandbox=options.sandbox, access=access)
        if not made.targets:
            raise ConfigurationError("no target is configured: name some in the settings, or use --sandbox")
        weighing = decided(options, made)
        return asyncio.run(_both(made, weighing))


def show_twice(answer: dict[str, Any]) -> None:
    """Both answers for a person."""
    fast, thought = answer["fast"]["routing"], answer["deliberated"]["routing"]
    rows = [
        (name, str(fast[name]), str(thought[name]))
        for name in ("target", "decided_by", "confidence", "risk", "class", "reason")
    ]
    print_table(("", "fast", "deliberated"), rows)
    for one in answer["deliberated"]["model_answers"]:
        said = ", ".join(f"{name} {word}" for name, word in one["answer"].items())
        print(f"{one['model']} ({one['prompt']}): {said}; {one['latency_ms']:.0f} ms, ${one['cost_usd']:.6f}")
    if not answer["deliberated"]["model_answers"]:
        print(f"no model's answer: {', '.join(answer['deliberated']['outcomes']) or 'nothing to choose'}")


async def _both(made: Plan, weighing: Weighing) -> dict[str, Any]:
    closers: Closers = []
    thinking = open_deliberation(made, os.environ, None, SystemClock(), closers)
    if thinking is None:
        raise ConfigurationError(
            "nobody to ask: set deliberation.region (and AWS credentials), or use --sandbox"
        )
    try:
        # Loading what asks takes seconds, which are not a model's.
        await asyncio.to_thread(import_module, "agents.deliberation.strands_client")
        thought = await thinking.consider(weighing, WITHIN_S)
        outcomes = [word for _, word in thinking.numbers().outcomes]
    finally:
        for close in reversed(closers):
            await close()
    return {
        "fast": as_answer(weighing),
        "deliberated": {
            **as_answer(thought),
            "model_answers": [one.as_record() for one in thought.decision.advice],
            "outcomes": outcomes,
        },
    }


@contextmanager
def _bedrock(settings: Settings, *, sandbox: bool) -> Iterator[Access]:
    """The stand-in for Bedrock, while it is needed."""
    asked = settings.deliberation
    if not sandbox or asked.region is not None or asked.endpoint_url is not None:
        yield NOT_STARTED
        return
    from gateway.sandbox.processes import start_standins

    started = start_standins(mec_nodes=0, pace=0.0)
    try:
        yield Access(
            mec_url=NOT_STARTED.mec_url,
            bedrock_url=started.bedrock_url,
            access_key_id=started.access_key_id,
            secret_access_key=Secret(started.secret_access_key, "sandbox"),
        )
    finally:
        started.stop()
