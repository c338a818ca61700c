"""Carries one decided request out: at home, at the gateway, or first one and then the other.

A request that stays has steps on this device alone, and these are run by `Home`, which holds no link. All others follow
the decision's own order; the gateway is one step however many of its targets stand in it, because it decides anew among them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from edge_runtime.sdk.answers import Delta, Fallback, Trusting, Vectors, Wishes
from edge_runtime.sdk.body import new_id, wire_body
from edge_runtime.sdk.deciding import DEVICE, Turn
from edge_runtime.sdk.errors import ClientError, DeclinedError, GatewayError
from edge_runtime.sdk.forms import Known, Ready, at_gateway, at_home, ready_of
from edge_runtime.sdk.home import Home
from edge_runtime.sdk.link import GatewayLink
from edge_runtime.sdk.outbox import Item
from edge_runtime.sdk.steps import Step, fallback_of, no_answer, step_timeout_s, steps_of, typed, with_tries
from router_core.errors import TargetError

Keep = Callable[[Item], Awaitable[None]]


class Answering:
    """`keep` puts an item into the outbox."""

    def __init__(self, home: Home, link: GatewayLink | None, keep: Keep) -> None:
        self._home, self._link, self._keep = home, link, keep

    async def answer(self, turn: Turn, wishes: Wishes, standing: Trusting) -> Known:
        """Raises `ClientError` when no step gives an answer."""
        ready = ready_of(turn, standing)
        steps = steps_of(turn, self._link is not None)
        ahead = self._speculation(turn, wishes, steps, ready)
        try:
            return await self._in_order(turn, steps, ready, ahead)
        finally:
            if ahead is not None:
                ahead.cancel()

    async def _in_order(
        self, turn: Turn, steps: Sequence[Step], ready: Ready, ahead: asyncio.Task[Known] | None
    ) -> Known:
        tries: list[Fallback] = []
        for i, step in enumerate(steps):
            try:
                if step.tiers:
                    known = await self._remote(turn, step, ready, step_timeout_s(turn, steps, i))
                else:
                    known = await (ahead if ahead is not None and i == 1 else self._local(turn, step, ready))
            except ClientError as error:
                tries.append(fallback_of(step, error))
            else:
                return replace(known, answer=replace(known.answer, fallbacks=tuple(tries)))
        raise no_answer(tries)

    async def stream(
        self, turn: Turn, wishes: Wishes, standing: Trusting
    ) -> AsyncGenerator[Delta | Known, None]:
        """Deltas, then the whole. Another step is tried only while nothing was given yet."""
        ready = ready_of(turn, standing)
        steps = steps_of(turn, self._link is not None)
        tries: list[Fallback] = []
        for i, step in enumerate(steps):
            begun = False
            parts = self._parts(turn, steps, i, ready)
            try:
                async for part in parts:
                    begun = True
                    yield with_tries(part, tries)
            except ClientError as error:
                if begun:
                    raise
                tries.append(fallback_of(step, error))
            else:
                return
            finally:
                await parts.aclose()
        raise no_answer(tries)

    def _parts(
        self, turn: Turn, steps: Sequence[Step], i: int, ready: Ready
    ) -> AsyncGenerator[Delta | Known, None]:
        if steps[i].tiers:
            return self._streamed(turn, steps[i], ready, step_timeout_s(turn, steps, i))
        return self._whole(turn, steps[i], ready)

    async def embed(self, turn: Turn, texts: Sequence[str]) -> Vectors:
        """Vectors by the chosen target alone."""
        decision, timeout_s = turn.decision, turn.table.policy.limits.deadline_ms / 1000.0
        if decision.tier == DEVICE:
            try:
                given = await self._home.embed(turn, decision.target, texts, timeout_s)
            except TargetError as error:
                raise typed(error) from error
            return Vectors(vectors=given.vectors, model=decision.model, tier=DEVICE)
        if self._link is None:
            raise DeclinedError("no gateway is set")
        body = {
            "model": decision.target,
            "input": list(texts),
            "tierwise": {"privacy": {"level": turn.request.privacy.level}},
        }
        said = await self._link.send("/v1/embeddings", body, timeout_s=timeout_s)
        try:
            rows = tuple(tuple(row["embedding"]) for row in said.body["data"])
        except (KeyError, TypeError) as error:
            raise GatewayError("the gateway's answer holds no vectors") from error
        return Vectors(vectors=rows, model=decision.model, tier=decision.tier)

    # ---- at home -----------------------------------------------------------------------------------------------------

    async def _local(self, turn: Turn, step: Step, ready: Ready) -> Known:
        report, began = new_id("rep"), time.perf_counter()
        try:
            given = await self._home.answer(turn, step.target, turn.table.policy.limits.deadline_ms / 1000.0)
        except TargetError as error:
            known = typed(error)
            await self._tell(turn, step, report, began, status="failed", reason=known.reason)
            raise known from error
        except asyncio.CancelledError:
            await asyncio.shield(self._tell(turn, step, report, began, status="cancelled"))
            raise
        await self._tell(
            turn, step, report, began, status="completed", output_tokens=given.usage.completion_tokens
        )
        return Known(answer=at_home(turn, step.target, ready, given, _ms(began)), report=report)

    async def _whole(self, turn: Turn, step: Step, ready: Ready) -> AsyncGenerator[Delta | Known, None]:
        known = await self._local(turn, step, ready)
        yield Delta(text=known.answer.text or "")
        yield known

    def _speculation(
        self, turn: Turn, wishes: Wishes, steps: Sequence[Step], ready: Ready
    ) -> asyncio.Task[Known] | None:
        """The device's own try, started while the gateway is asked; only where the decision permits the device anyway."""
        if not wishes.get("speculate") or len(steps) < 2 or not steps[0].tiers:
            return None
        task = asyncio.create_task(self._local(turn, steps[1], ready))
        # Its failure matters only when its turn comes.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def _tell(self, turn: Turn, step: Step, report: str, began: float, **what: Any) -> None:
        """A report holds no word of the request: who, how, how long."""
        body = {
            "id": report,
            "target": step.target,
            "time_s": round(time.time(), 3),
            "task": turn.context.task,
            "policy": turn.decision.policy,
            "latency_ms": round(_ms(began), 3),
            **what,
        }
        await self._keep(Item(id=report, kind="report", body=body))

    # ---- at the gateway ----------------------------------------------------------------------------------------------

    async def _remote(self, turn: Turn, step: Step, ready: Ready, timeout_s: float) -> Known:
        assert self._link is not None  # noqa: S101 - steps name the gateway only where there is one
        began = time.perf_counter()
        body = wire_body(turn.request, tiers=step.tiers, stream=False)
        said = await self._link.send("/inference", body, timeout_s=timeout_s)
        return Known(answer=at_gateway(said.body, ready, _ms(began)), report=None)

    async def _streamed(
        self, turn: Turn, step: Step, ready: Ready, timeout_s: float
    ) -> AsyncGenerator[Delta | Known, None]:
        assert self._link is not None  # noqa: S101 - steps name the gateway only where there is one
        began, text = time.perf_counter(), ""
        body = wire_body(turn.request, tiers=step.tiers, stream=True)
        async with aclosing(self._link.events("/inference", body, timeout_s=timeout_s)) as events:
            async for event in events:
                if "title" in event:
                    raise GatewayError(str(event.get("detail") or "the stream ended with an error"))
                if "request_id" in event:
                    answer = at_gateway(event, ready, _ms(began))
                    yield Known(answer=replace(answer, text=text), report=None)
                    return
                if event.get("text"):
                    text += event["text"]
                    yield Delta(text=event["text"])
        raise GatewayError("the stream was cut")


def _ms(began: float) -> float:
    return (time.perf_counter() - began) * 1000.0
