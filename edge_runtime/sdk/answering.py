"""Carries one decided request out: at home, at the gateway, or first one and then the other.

A request that stays has steps on this device alone, and these are run by `Home`, which holds no link. All others follow
the decision's own order; the gateway is one step however many of its targets stand in it, because it decides anew among them.
Where both may be asked at once, `speculating` says when, and whose answer counts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from edge_runtime.sdk.answers import Delta, Fallback, Trusting, Vectors, Wishes
from edge_runtime.sdk.body import wire_body
from edge_runtime.sdk.deciding import DEVICE, Turn
from edge_runtime.sdk.errors import ClientError, DeclinedError, GatewayError
from edge_runtime.sdk.forms import Known, Ready, at_gateway, ready_of
from edge_runtime.sdk.here import Here, Keep
from edge_runtime.sdk.home import Home
from edge_runtime.sdk.link import GatewayLink
from edge_runtime.sdk.speculating import ended, first_sure, speculates
from edge_runtime.sdk.steps import Step, fallback_of, no_answer, step_timeout_s, steps_of, typed, with_tries
from router_core.errors import TargetError


class Answering:
    """`keep` puts an item into the outbox."""

    def __init__(self, home: Home, link: GatewayLink | None, keep: Keep) -> None:
        self._home, self._link, self._here = home, link, Here(home, keep)

    async def answer(self, turn: Turn, wishes: Wishes, standing: Trusting) -> Known:
        """Raises `ClientError` when no step gives an answer."""
        ready = ready_of(turn, standing)
        steps = steps_of(turn, self._link is not None)
        if not speculates(turn, wishes, steps):
            return await self._in_order(turn, steps, ready, {})
        limit_s = step_timeout_s(turn, steps, 0)
        away = asyncio.create_task(self._remote(turn, steps[0], ready, limit_s))
        here = asyncio.create_task(self._here.whole(turn, steps[1], ready))
        try:
            sure = await first_sure(here, away)
            return sure or await self._in_order(turn, steps, ready, {0: away, 1: here})
        finally:
            await ended(here, away)

    async def _in_order(
        self, turn: Turn, steps: Sequence[Step], ready: Ready, begun: Mapping[int, asyncio.Task[Known]]
    ) -> Known:
        """One step after the other; those that have `begun` are waited for when it is their turn."""
        tries: list[Fallback] = []
        for i, step in enumerate(steps):
            try:
                if i in begun:
                    known = await begun[i]
                elif step.tiers:
                    known = await self._remote(turn, step, ready, step_timeout_s(turn, steps, i))
                else:
                    known = await self._here.whole(turn, step, ready)
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
        return self._here.streamed(turn, steps[i], ready)

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
