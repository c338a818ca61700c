"""The device's model at work while the gateway is asked: when that is done, and whose answer counts.

An answer that is sure by its model's own calibration is taken as soon as it is there, and the call to the gateway ends. One
that cannot tell how sure it is, such as a language model's, waits for the gateway and counts when that fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from edge_runtime.sdk.answers import Wishes
from edge_runtime.sdk.deciding import Turn
from edge_runtime.sdk.forms import Known
from edge_runtime.sdk.steps import Step


def speculates(turn: Turn, wishes: Wishes, steps: Sequence[Step]) -> bool:
    """The decision prefers the gateway and permits the device next, and the caller wishes it, or says nothing and the
    policy does it for this class of requests. What stays has no step at the gateway."""
    if len(steps) < 2 or not steps[0].tiers or steps[1].tiers:
        return False
    wished = wishes.get("speculate")
    by_policy = turn.context.request_class in turn.table.policy.hedge.speculative
    return by_policy if wished is None else wished


async def first_sure(here: asyncio.Task[Known], away: asyncio.Task[Known]) -> Known | None:
    """The device's answer if it is there first and sure; None when the gateway's turn decides."""
    await asyncio.wait((here, away), return_when=asyncio.FIRST_COMPLETED)
    if not here.done() or here.exception() is not None:
        return None
    if away.done() and away.exception() is None:
        return None
    known = here.result()
    return None if known.answer.confidence is None else known


async def ended(*tasks: asyncio.Task[Known]) -> None:
    """The one that lost goes on for nobody: it is stopped, and its end awaited, so that its report is kept."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
