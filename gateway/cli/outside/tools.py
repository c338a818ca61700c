"""What agents outside may ask of a gateway: read-only, bounded, with the rights of one key.

Every tool is a request to the gateway with the caller's own key, so that roles and tenants hold without a second rule here: a
user's key sees its own decisions, an operator's also targets and policy. Nothing is changed and nothing is executed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.cli.client import Client, GatewayError
from router_core.errors import RequestError

MAX_CHARS: Final = 20_000
MAX_TEXT: Final = 20_000
_ID: Final = re.compile(r"req_[0-9a-f]{1,64}")
_METRICS: Final = "tierwise_"
Ask = Callable[..., str]


def tools(client: Client) -> Mapping[str, tuple[str, Ask]]:
    """Each tool's name, what it tells, and the function behind it."""

    def state_of_targets() -> str:
        return _told(lambda: client.call("GET", "/admin/targets"))

    def policy() -> str:
        return _told(lambda: client.call("GET", "/admin/policy"))

    def models() -> str:
        return _told(lambda: client.call("GET", "/v1/models"))

    def metrics() -> str:
        return _told(lambda: _ours(client.call("GET", "/metrics")))

    def why(request_id: str) -> str:
        return _told(lambda: client.call("GET", f"/inference/{_checked(request_id)}"))

    def what_if(text: str, optimize: str = "balanced", privacy: str = "internal") -> str:
        return _told(lambda: client.call("POST", "/explain", _asked(text, optimize, privacy)))

    return {
        "state_of_targets": ("Health, load and errors of every target now. Needs an operator's key.", state_of_targets),
        "policy": ("The policy in force. Needs an operator's key.", policy),
        "models": ("The models that this key may use.", models),
        "metrics": ("Counters and histograms since the start.", metrics),
        "why": ("Where a request of yours went, and why.", why),
        "what_if": ("Where a request would go, and why; it is decided, not executed.", what_if),
    }  # fmt: skip


def _asked(text: str, optimize: str, privacy: str) -> dict[str, Any]:
    if len(text) > MAX_TEXT:
        raise RequestError(f"text has more than {MAX_TEXT} characters")
    return {"input": text, "preferences": {"optimize": optimize}, "privacy": {"level": privacy}}


def _checked(request_id: str) -> str:
    """An id of ours, and so no other path of the gateway."""
    if not _ID.fullmatch(request_id):
        raise RequestError("request_id is not an id that this gateway gives")
    return request_id


def _ours(page: object) -> str:
    return "\n".join(line for line in str(page).splitlines() if line.startswith(_METRICS))


def _told(ask: Callable[[], object]) -> str:
    """The answer as text, or in one sentence why there is none."""
    try:
        found = ask()
    except (GatewayError, RequestError) as error:
        return json.dumps({"error": str(error)[:500]})
    text = found if isinstance(found, str) else json.dumps(found, separators=(",", ":"))
    return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]} [shortened]"
