"""What agents outside may ask of a gateway: bounded, with the rights of one key, and nothing that changes anything.

Every tool is a request to the gateway with the caller's own key, so that roles and tenants hold without a second rule here: a
user's key sees its own decisions, an operator's also targets and policy. `propose` stores a proposal that a person decides on;
no tool puts one in force, executes a request or reaches another path. One list serves both transports.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from router_core.errors import RequestError
from router_core.inference import OBJECTIVES, PRIVACY_LEVELS
from router_core.record import dataclass

MAX_CHARS: Final = 20_000
MAX_TEXT: Final = 20_000
MAX_WHY: Final = 500
_ID: Final = re.compile(r"req_[0-9a-f]{1,64}")
_METRICS: Final = "tierwise_"
Arguments = Mapping[str, Any]
Ask = Callable[[str, str, Mapping[str, Any] | None], Awaitable[Any]]
"""Method, path and body to the decoded answer. Raises `NotToldError` for anything but a 2xx."""


class NotToldError(Exception):
    """The gateway did not answer, or with a problem; its sentence may be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """`schema` is of its arguments; `act` asks. `reads`: nothing is stored either."""

    name: str
    meaning: str
    act: Callable[[Ask, Arguments], Awaitable[Any]]
    properties: Mapping[str, Mapping[str, Any]]
    required: tuple[str, ...] = ()
    reads: bool = True

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments."""
        return {
            "type": "object",
            "properties": {name: dict(one) for name, one in self.properties.items()},
            "required": list(self.required),
            "additionalProperties": False,
        }


async def told(ask: Ask, name: str, arguments: Arguments) -> str:
    """One tool's answer as text, or in one sentence why there is none."""
    try:
        tool = TOOLS.get(name)
        if tool is None:
            raise RequestError("there is no such tool")
        _check(tool, arguments)
        found = await tool.act(ask, arguments)
    except (NotToldError, RequestError) as error:
        return json.dumps({"error": str(error)[:500]})
    text = found if isinstance(found, str) else json.dumps(found, separators=(",", ":"), default=str)
    return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]} [shortened]"


def _check(tool: Tool, arguments: Arguments) -> None:
    """The schema's own words, checked: a client need not have looked at it."""
    unknown = sorted(set(arguments) - set(tool.properties))
    missing = sorted(set(tool.required) - set(arguments))
    if unknown or missing:
        raise RequestError(f"{tool.name} takes {', '.join(tool.properties) or 'no arguments'}")
    for name, value in arguments.items():
        _check_value(name, value, tool.properties[name])


def _check_value(name: str, value: Any, rule: Mapping[str, Any]) -> None:
    kind: type = {"string": str, "array": list, "integer": int}[rule["type"]]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise RequestError(f"{name} must be of type {rule['type']}")
    if "enum" in rule and value not in rule["enum"]:
        raise RequestError(f"{name} must be one of {', '.join(rule['enum'])}")
    if kind is int and not rule["minimum"] <= value <= rule["maximum"]:
        raise RequestError(f"{name} must be {rule['minimum']} to {rule['maximum']}")
    longest = rule.get("maxLength", rule.get("maxItems"))
    if isinstance(value, str | list) and longest is not None and len(value) > longest:
        raise RequestError(f"{name} is longer than {longest}")


def _looking(path: str) -> Callable[[Ask, Arguments], Awaitable[Any]]:
    async def look(ask: Ask, _: Arguments) -> Any:
        return await ask("GET", path, None)

    return look


async def _metrics(ask: Ask, _: Arguments) -> str:
    page = await ask("GET", "/metrics", None)
    return "\n".join(line for line in str(page).splitlines() if line.startswith(_METRICS))


async def _similar(ask: Ask, given: Arguments) -> Any:
    return await ask("GET", f"/decisions?{urlencode(given)}", None)


async def _why(ask: Ask, given: Arguments) -> Any:
    if not _ID.fullmatch(given["request_id"]):  # an id of ours, and so no other path of the gateway
        raise RequestError("request_id is not an id that this gateway gives")
    return await ask("GET", f"/inference/{given['request_id']}", None)


async def _what_if(ask: Ask, given: Arguments) -> Any:
    body = {
        "input": given["text"],
        "preferences": {"optimize": given.get("optimize", "balanced")},
        "privacy": {"level": given.get("privacy", "internal")},
    }
    return await ask("POST", "/explain", body)


async def _propose(ask: Ask, given: Arguments) -> Any:
    body = {"changes": given["changes"], "why": given["why"]}
    return await ask("POST", "/admin/policy/proposals", body)


def _words(words: tuple[str, ...]) -> dict[str, Any]:
    return {"type": "string", "enum": list(words)}


_ALL: Final = (
    Tool(
        name="state_of_targets",
        meaning="Health, load and errors of every target now. Needs an operator's key.",
        act=_looking("/admin/targets"),
        properties={},
    ),
    Tool(
        name="similar_decisions",
        meaning="Your own newest decisions that were like this one: class, target, confidence; no content.",
        act=_similar,
        properties={
            "class": _words(("simple", "complex", "critical", "batch")),
            "tier": _words(("device", "mec", "cloud")),
            "limit": {"type": "integer", "minimum": 1, "maximum": 50},
        },
    ),
    Tool(
        name="prices",
        meaning="USD per million tokens of the targets that this key may use.",
        act=_looking("/prices"),
        properties={},
    ),
    Tool(
        name="policy",
        meaning="The policy in force. Needs an operator's key.",
        act=_looking("/admin/policy"),
        properties={},
    ),
    Tool(
        name="proposals",
        meaning="Proposals to change the policy, and what became of them. Needs an operator's key.",
        act=_looking("/admin/policy/proposals"),
        properties={},
    ),
    Tool(
        name="models",
        meaning="The models that this key may use.",
        act=_looking("/v1/models"),
        properties={},
    ),
    Tool(
        name="metrics",
        meaning="Counters and histograms since the start. Needs an operator's key.",
        act=_metrics,
        properties={},
    ),
    Tool(
        name="why",
        meaning="Where a request of yours went, and why.",
        act=_why,
        properties={"request_id": {"type": "string", "maxLength": 68}},
        required=("request_id",),
    ),
    Tool(
        name="what_if",
        meaning="Where a request would go, and why; it is decided, not executed.",
        act=_what_if,
        properties={
            "text": {"type": "string", "maxLength": MAX_TEXT},
            "optimize": _words(OBJECTIVES),
            "privacy": _words(PRIVACY_LEVELS),
        },
        required=("text",),
    ),
    Tool(
        name="propose",
        meaning="Propose a small change of the policy, as key and value. It is checked, tried on past requests and stored; a person "
        "decides on it, and nothing changes before. Needs an operator's key.",
        act=_propose,
        properties={
            "changes": {
                "type": "array",
                "maxItems": 3,
                "items": {
                    "type": "object",
                    "properties": {"key": {"type": "string"}, "value": {"type": "number"}},
                    "required": ["key", "value"],
                    "additionalProperties": False,
                },
            },
            "why": {"type": "string", "maxLength": MAX_WHY},
        },
        required=("changes", "why"),
        reads=False,
    ),
)
TOOLS: Final[Mapping[str, Tool]] = {tool.name: tool for tool in _ALL}
