"""Puts together what proposes changes of the policy: where proposals are kept, how one is simulated, pushed and drafted.

A simulation reads the whole event log, so it runs as the command a person would run, in a process of its own and behind
everything else. Without a shared state proposals are this process's alone, and of several workers only the first looks.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from agents.proposals.book import ProposalBook
from agents.proposals.desk import ProposalDesk, Push, Ways
from agents.proposals.figures import Lately
from agents.proposals.proposal import Proposal
from gateway.composition.learning.simulating import simulation
from gateway.composition.policy import policy_store
from gateway.http.mcp.own import Remembered
from gateway.settings.schema import Settings
from router_core.adapters.memory.state import MemoryStateStore
from router_core.errors import ConfigurationError, ConflictError, StoreError
from router_core.policy.document import Policy
from router_core.policy.parse import minified, parse, to_document
from router_core.policy.proposals import OFF
from router_core.policy.rollout import MAX_WORDS, Rollout
from router_core.ports import Clock, EventSink, StateStore

if TYPE_CHECKING:
    from agents.assembly import Router
    from agents.deliberation.deliberator import Deliberator
    from router_core.adapters.aws.ssm_policy_store import SsmPolicyStore

TURN_S: Final = 30.0
"""How often a replica asks whether it is time to look."""
Closers = list[Callable[[], Awaitable[None]]]
_log: Final = logging.getLogger("tierwise.proposals")


class Proposing:
    """The desk, the figures that it looks at, and its background. `events` goes between the agents and the log."""

    def __init__(self, desk: ProposalDesk, lately: Lately, *, alone: bool) -> None:
        self.desk, self.lately, self._alone = desk, lately, alone
        self.events = Remembered(lately)

    def start(
        self, thinking: Deliberator | None, router: Router, worker: str
    ) -> tuple[asyncio.Task[None], ...]:
        """Look for patterns again and again, where agents can be asked."""
        if self._alone and worker != "0":
            return ()
        if thinking is None:
            if self.desk.ways.rollout().stable.proposals.mode != OFF:
                _log.warning("the policy wants proposals, but no agent can be asked: set deliberation.region")
            return ()
        return (asyncio.create_task(self._keep_looking(thinking, router)),)

    async def _keep_looking(self, thinking: Deliberator, router: Router) -> None:
        from agents.deliberation.background import Background, Eyes, Steps
        from agents.deliberation.tools import tools

        specs = thinking.home.specs
        eyes = Eyes(lately=self.lately, tools=tools(router, specs), names=tuple(sorted(specs)))
        background = Background(Steps(thinking.asker, self.desk, eyes), self.desk, self.lately)
        while True:
            await asyncio.sleep(TURN_S)
            try:
                await background.turn()
            except StoreError as error:
                _log.warning("no look at the policy: %s", error)
            except Exception:
                # A fault in here ends one look, not all that follow.
                _log.exception("a look at the policy failed")


async def open_proposals(
    settings: Settings,
    shared: StateStore | None,
    events: EventSink,
    rollout: Callable[[], Rollout],
    clock: Clock,
    closers: Closers,
) -> Proposing:
    """Everything but the agents, which are started later. `shared` None, and no memory named: nobody shares the proposals."""
    store = await asyncio.to_thread(_memory, settings, clock, closers) or shared
    lately = Lately(events, clock)
    parameter = settings.policy.ssm
    ways = Ways(
        rollout=rollout,
        simulate=simulation(settings.events.dir),
        events=events,
        clock=clock,
        push=None if parameter is None else pushing(lambda: policy_store(parameter)),
    )
    book = ProposalBook(store or MemoryStateStore(clock), clock, f"{socket.gethostname()}-{os.getpid()}")
    return Proposing(ProposalDesk(book, ways), lately, alone=store is None)


def _memory(settings: Settings, clock: Clock, closers: Closers) -> StateStore | None:
    """The memory that the settings name, None without one. Blocks while its client is made."""
    memory = settings.stores.agentcore_memory
    if memory is None:
        return None
    from router_core.adapters.aws.agentcore_memory import AgentCoreStateStore
    from router_core.adapters.aws.client import aws_client

    try:
        store = AgentCoreStateStore(aws_client("bedrock-agentcore"), memory, clock=clock)
    except StoreError as error:
        raise ConfigurationError(f"settings: stores.agentcore_memory: {error}") from error
    closers.append(store.close)
    return store


def pushing(open_store: Callable[[], SsmPolicyStore]) -> Push:
    """A canary in Parameter Store, as `tierwise policy push` makes one. A client of its own: hardly anybody ever does."""

    async def push(proposal: Proposal, new: Policy, share: float, by: str) -> None:
        await asyncio.to_thread(_push, open_store, proposal, new, share, by)

    return push


def _push(
    open_store: Callable[[], SsmPolicyStore], proposal: Proposal, new: Policy, share: float, by: str
) -> None:
    from gateway.cli.policy.changes import Author, PolicyChanges, standing

    store = open_store()
    seen = standing(store)
    if seen.in_force is None or parse(seen.in_force.text).sha256 != proposal.base_sha256:
        raise ConflictError("another policy is in force in Parameter Store than the one that was judged")
    why = f"proposal {proposal.id}: {proposal.why}"[:MAX_WORDS]
    text = minified(to_document(new)).decode()
    PolicyChanges(store, seen, Author(by=by, why=why)).push(new, text, share, ramp=True)
