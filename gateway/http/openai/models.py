"""Model names: `auto`, `auto:<objective>`, a target, or an alias. And the list of them under `/v1/models`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from gateway.http import answers
from gateway.http.exchange import Exchange
from gateway.http.refusals import MethodError, ModelNotFoundError
from router_core.errors import RequestError
from router_core.inference import OBJECTIVES, Optimize, Preferences
from router_core.record import dataclass
from router_core.resources import TargetSpec

PREFIX: Final = "/v1/models/"
_AUTO: Final[Mapping[str, Optimize]] = {f"auto:{objective}": objective for objective in OBJECTIVES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a model name asks for: a target, an objective, or neither (`auto`)."""

    target: str | None = None
    optimize: Optimize | None = None

    def applied(self, wishes: Preferences) -> Preferences:
        """The caller's wishes with the name's own; raises RequestError when both name something different."""
        if self.target is None and self.optimize is None:
            return wishes
        if self.target is not None:
            if wishes.target not in (None, self.target):
                raise RequestError(
                    "`model` and `tierwise.preferences.target` name two targets", field="model"
                )
            return replace(wishes, target=self.target)
        return replace(wishes, optimize=self.optimize or wishes.optimize)


_NEITHER: Final = Meaning()


class ModelNames:
    """Resolves names; an alias may stand for `auto`, `auto:*` or a target, not for another alias."""

    def __init__(self, catalogue: Sequence[TargetSpec], aliases: Mapping[str, str], created_s: float) -> None:
        own = {"auto": _NEITHER} | {name: Meaning(optimize=goal) for name, goal in _AUTO.items()}
        own |= {spec.name: Meaning(target=spec.name) for spec in catalogue}
        self._meanings = own | {alias: own[name] for alias, name in aliases.items() if name in own}
        owners = {spec.name: spec.tier for spec in catalogue}
        self._entries = {
            name: {
                "id": name,
                "object": "model",
                "created": int(created_s),
                "owned_by": owners.get(meaning.target or "", "tierwise"),
            }
            for name, meaning in self._meanings.items()
        }

    def meaning(self, name: str) -> Meaning:
        """Raises ModelNotFoundError."""
        found = self._meanings.get(name)
        if found is None:
            raise ModelNotFoundError(f"the model `{name[:100]}` does not exist", field="model")
        return found

    async def list(self, exchange: Exchange) -> None:
        """`GET /v1/models`."""
        await self._send(exchange, {"object": "list", "data": [*self._entries.values()]})

    async def one(self, exchange: Exchange) -> None:
        """`GET /v1/models/{name}`; names of targets hold slashes."""
        if exchange.method != "GET":
            raise MethodError("GET")
        name = exchange.path.removeprefix(PREFIX)
        self.meaning(name)
        await self._send(exchange, self._entries[name])

    async def _send(self, exchange: Exchange, body: Mapping[str, Any]) -> None:
        await exchange.reply(200, [answers.JSON_TYPE], answers.encode(body))
