"""`Client`: what an app talks to. Decides on the device, answers there or at the gateway, and tells what it did later.

The path of a request: read the device and the network -> decide -> run at home or ask the gateway -> on failure the
other one, if the decision permits it -> report. What must stay on the device is handed to `Home` alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar, Unpack

from edge_runtime.engines.owner import OwnerThread
from edge_runtime.network import NetworkWatch
from edge_runtime.protocol.envelope import Trust
from edge_runtime.sdk.answering import Answering
from edge_runtime.sdk.answers import Answer, Delta, Vectors, Wishes, queued_answer
from edge_runtime.sdk.body import Prompt, new_id, request_of, wire_body
from edge_runtime.sdk.courier import Courier
from edge_runtime.sdk.deciding import DeviceRouter, Turn, stays
from edge_runtime.sdk.errors import ClientError, DeclinedError, OfflineError, SlowError, no_target
from edge_runtime.sdk.forms import Known
from edge_runtime.sdk.home import FolderModels, Home, ServedModels, own_specs
from edge_runtime.sdk.link import GatewayLink
from edge_runtime.sdk.machine import own_device
from edge_runtime.sdk.outbox import FullError, Item, Outbox
from edge_runtime.sdk.trusted import BundleKeeper
from edge_runtime.store import SHIPPED
from router_core.context import RequestContext
from router_core.decision import RoutingDecision
from router_core.errors import NoTargetError
from router_core.inference import Device, InferenceRequest
from router_core.policy.document import Policy

Result = TypeVar("Result")
BUNDLE_S: Final = 300.0
BUNDLE_TIMEOUT_S: Final = 10.0
SEND_S: Final = 15.0
_REMEMBERED: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`home`: the folder where the client keeps its bundle and its outbox, None for nothing on disk. `models`: model
    folders by name, the shipped one when not given; `serving` replaces them by a `Library`, or by models of one's own
    keeping. `device` and `network_type` are the platform's own words, called
    often and cheap; on Android and iOS they are the only source; `look_s` is how old their word may be.
    `clock` gives wall seconds."""

    home: Path | None = None
    models: dict[str, Path] = field(default_factory=lambda: {"intent-v1": SHIPPED / "intent-v1"})
    serving: ServedModels | None = None
    device: Callable[[], Device] | None = None
    network_type: Callable[[], str | None] | None = None
    look_s: float = 5.0
    threads: int = 1
    outbox_bytes: int = 4 * 1024 * 1024
    clock: Callable[[], float] = time.time


class Client:
    """`gateway` is the gateway's URL, None for a device that stands alone; `trust` the public keys whose bundles it
    obeys. Use it as `async with`, or call `start` and `close`."""

    def __init__(
        self,
        gateway: str | None = None,
        *,
        key: str | None = None,
        trust: Sequence[str] = (),
        options: Options | None = None,
    ) -> None:
        self._options = chosen = options or Options()
        if chosen.home is not None:
            chosen.home.mkdir(parents=True, exist_ok=True)
        self.network = NetworkWatch(chosen.network_type)
        self._keeper = BundleKeeper(Trust(trust), chosen.home, chosen.clock)
        self._models = chosen.serving or FolderModels(chosen.models, threads=chosen.threads)
        self._names = self._models.names()
        self._router = DeviceRouter(own_specs(self._names), Policy())
        if self._keeper.bundle is not None:
            self._router.obey(self._keeper.bundle)
        file = None if chosen.home is None else chosen.home / "outbox.sqlite"
        self._outbox = Outbox(file, max_bytes=chosen.outbox_bytes, now_s=chosen.clock)
        self._thread = OwnerThread(name="outbox", limit=1_000_000)
        self._link = None if gateway is None else GatewayLink(gateway, key, self.network)
        self._courier = None if self._link is None else Courier(self._outbox, self._thread, self._link)
        self._answering = Answering(Home(self._models), self._link, self._keep)
        self._etag: str | None = None
        self._seen: tuple[float, Device] = (-chosen.look_s, Device())
        self._answered: dict[str, Known] = {}
        self._tasks: list[asyncio.Task[None]] = []

    # ---- life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Fetch the bundle if the gateway is there, and begin to deliver what waits. Does not fail without a network."""
        await self.refresh()
        self._tasks = [asyncio.create_task(self._stay_fresh())]
        if self._courier is not None:
            self._tasks.append(asyncio.create_task(self._courier.run()))

    async def close(self) -> None:
        """Stop; what was not delivered stays in the outbox."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._link is not None:
            await self._link.close()
        self._thread.close()
        self._outbox.close()
        self._models.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def warm(self) -> None:
        """Open the device's models now."""
        await self._models.warm()

    async def refresh(self) -> bool:
        """Ask for a newer bundle, and look which models lie here; whether a valid bundle is there now. What is there stays
        when this fails."""
        if (names := self._models.names()) != self._names:
            self._names = names
            self._router.install(own_specs(names))
        if self._link is not None:
            with contextlib.suppress(ClientError):
                said = await self._link.fetch("/device/bundle", timeout_s=BUNDLE_TIMEOUT_S, etag=self._etag)
                if said.status == 200 and await asyncio.to_thread(self._keeper.offer, said.raw):
                    self._etag = said.etag
                    assert self._keeper.bundle is not None  # noqa: S101 - it was taken in the line above
                    self._router.obey(self._keeper.bundle)
        return self._keeper.standing == "signed"

    # ---- asking ------------------------------------------------------------------------------------------------------

    async def infer(self, prompt: Prompt, **wishes: Unpack[Wishes]) -> Answer:
        """One answer. Raises a `ClientError`, or whatever cancelled it."""
        request = request_of(prompt, wishes, self._device(), self.network.seen())
        context = self._router.read(request)
        try:
            turn = self._decided(request, context)
            return self._remembered(
                await self._within(wishes, turn, self._answering.answer(turn, wishes, self._keeper.standing))
            )
        except OfflineError:
            if wishes.get("when_offline") != "queue" or stays(context) or self._link is None:
                raise
        return await self._queued(request)

    async def command(self, text: str, **wishes: Unpack[Wishes]) -> Answer:
        """`infer` for a command: its answer holds `commands`."""
        wishes["task"] = "command"
        return await self.infer(text, **wishes)

    async def stream(self, prompt: Prompt, **wishes: Unpack[Wishes]) -> AsyncGenerator[Delta | Answer, None]:
        """The answer in pieces, then as a whole. Closing the generator stops the work, at the gateway too."""
        turn = self._decide(prompt, wishes)
        limit = self._deadline_s(wishes, turn)
        parts = self._answering.stream(turn, wishes, self._keeper.standing)
        try:
            async with asyncio.timeout(limit), contextlib.aclosing(parts):
                async for part in parts:
                    yield self._remembered(part) if isinstance(part, Known) else part
        except TimeoutError:
            raise SlowError(f"no answer within {limit:g} s") from None

    async def embed(self, texts: Sequence[str], **wishes: Unpack[Wishes]) -> Vectors:
        """Vectors of the texts, all from one model: what fails on it fails, since vectors of two models do not mix."""
        messages = [{"role": "user", "content": text} for text in texts]
        wishes["task"] = "embed"
        turn = self._decide(messages, wishes)
        return await self._within(wishes, turn, self._answering.embed(turn, texts))

    def decide(self, prompt: Prompt, **wishes: Unpack[Wishes]) -> RoutingDecision:
        """Who would be asked now, and why; nothing is run. Raises a `ClientError`."""
        return self._decide(prompt, wishes).decision

    async def feedback(self, answer_id: str, score: float) -> None:
        """A judgement in [0, 1] of an answer this client gave lately. Raises `DeclinedError` for another id."""
        known = self._answered.get(answer_id)
        if known is None or not 0.0 <= score <= 1.0:
            raise DeclinedError("no answer of late has this id, or the score is not in [0, 1]")
        body = {
            "id": new_id("jud"),
            "report": known.report or "",
            "target": known.answer.target,
            "score": score,
        }
        if known.report is None:
            assert self._link is not None  # noqa: S101 - the gateway gave this answer
            await self._link.send(f"/inference/{answer_id}/feedback", {"score": score}, timeout_s=SEND_S)
            return
        await self._keep(Item(id=str(body["id"]), kind="judgement", body=body))

    async def collect(self) -> list[tuple[str, dict[str, Any]]]:
        """Answers of the gateway to requests that waited, by the id they were queued under; each is given once."""
        return await self._thread.run(self._outbox.take_results)

    async def deliver(self) -> None:
        """Try to deliver all that waits, now: for when the platform says that the network is back."""
        self.network.back()
        await self._thread.run(self._outbox.all_due)
        if self._courier is not None:
            await self._courier.deliver()

    async def waiting(self) -> dict[str, int]:
        """What waits for the gateway, by kind."""
        return await self._thread.run(self._outbox.waiting)

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _decide(self, prompt: Prompt, wishes: Wishes) -> Turn:
        request = request_of(prompt, wishes, self._device(), self.network.seen())
        return self._decided(request, self._router.read(request))

    def _decided(self, request: InferenceRequest, context: RequestContext) -> Turn:
        try:
            return self._router.decide(request, context, trusted=self._keeper.standing == "signed")
        except NoTargetError as error:
            raise no_target(error) from error

    async def _queued(self, request: InferenceRequest) -> Answer:
        """Kept for the gateway, which may then choose among all tiers that the caller named."""
        tiers = request.preferences.tiers
        body = wire_body(request, tiers=tiers, stream=False)
        try:
            await self._keep(
                Item(id=request.request_id, kind="request", body=body, session=request.session_id)
            )
        except FullError as error:
            raise OfflineError("the gateway cannot be reached, and the outbox is full") from error
        return queued_answer(request.request_id, self._router.home.policy.label, self._keeper.standing)

    def _device(self) -> Device:
        now = time.monotonic()
        if now - self._seen[0] >= self._options.look_s:
            reader = self._options.device or own_device
            self._seen = (now, reader())
        return self._seen[1]

    def _deadline_s(self, wishes: Wishes, turn: Turn) -> float:
        return wishes.get("deadline_s", turn.table.policy.limits.deadline_ms / 1000.0)

    async def _within(self, wishes: Wishes, turn: Turn, work: Awaitable[Result]) -> Result:
        limit = self._deadline_s(wishes, turn)
        try:
            async with asyncio.timeout(limit):
                return await work
        except TimeoutError:
            raise SlowError(f"no answer within {limit:g} s") from None

    def _remembered(self, known: Known) -> Answer:
        self._answered[known.answer.id] = known
        while len(self._answered) > _REMEMBERED:
            del self._answered[next(iter(self._answered))]
        return known.answer

    async def _keep(self, item: Item) -> None:
        try:
            # Waking the thread and being woken by it takes longer than the write, on a busy machine a hundred times.
            if self._thread.waiting or self._outbox.untidy:
                await self._thread.run(self._outbox.put, item)
            else:
                self._outbox.put(item)
        except sqlite3.Error as error:
            if item.kind == "request":
                raise OfflineError("the gateway cannot be reached, and nothing can be kept here") from error
            return  # a full disk costs the report, not the answer
        if self._courier is not None:
            self._courier.wake()

    async def _stay_fresh(self) -> None:
        while True:
            bundle = self._keeper.bundle
            left = BUNDLE_S if bundle is None else (bundle.expires_s - self._options.clock()) / 3
            await asyncio.sleep(min(BUNDLE_S, max(1.0, left, self.network.retry_in_s)))
            await self.refresh()
