"""Hears alerts of the bus and leaves a word for the gateways: somebody should look at the policy now.

A function is no place for a round of the agents: it has no figures, no log and a budget of seconds. What it writes is one
small entry of the shared state, which ends by itself; of many gateways the one that leads finds it within half a minute.
Nothing of an alert but its type goes in, because its detail may hold words of others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from agents.proposals.book import ProposalBook
from gateway.hosts.aws_lambda import Act
from gateway.hosts.composition import CLOCK, Parts
from router_core.deployment import EVENT_SOURCE
from router_core.errors import RequestError

_TYPE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")


async def build(parts: Parts) -> Act:
    """The function. Raises `ConfigurationError` where no state table is named."""
    book = ProposalBook(parts.outside.states(), CLOCK, "listener")

    async def act(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        kind = event.get("detail-type")
        if event.get("source") != EVENT_SOURCE or not isinstance(kind, str) or not _TYPE.fullmatch(kind):
            raise RequestError("this is no alert of ours")
        await book.want(f"alert: {kind}")
        return {"wanted": kind}

    return act
