"""Puts together what proposes changes of the policy: where proposals are kept, how one is simulated, pushed and drafted.

A simulation reads the whole event log, so it runs as the command a person would run, in a process of its own and behind
everything else. Without a shared state proposals are this process's alone, and of several workers only the first looks.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agents.proposals.book import ProposalBook
from agents.proposals.desk import ProposalDesk, Push, Ways
from agents.proposals.figures import Lately
from agents.proposals.proposal import Proposal
from gateway.settings.schema import Settings
from router_core.adapters.memory.state import MemoryStateStore
from router_core.errors import ConfigurationError, StaleStateError, StoreError
from router_core.policy.document import Policy
from router_core.policy.parse import minified, parse, to_document
from router_core.policy.proposals import OFF
from router_core.policy.rollout import MAX_WORDS, Rollout
from router_core.ports import Clock, EventSink, StateStore

if TYPE_CHECKING:
    from agents.assembly import Router
    from agents.deliberation.deliberator import Deliberator

TURN_S: Final = 30.0
"""How often a replica asks whether it is time to look."""
SIMULATION_S: Final = 300.0
SINCE: Final = "7d"
_PASSED_ON: Final = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT")
"""What the simulation needs of this process's environment; secrets are not among it."""
_log: Final = logging.getLogger("tierwise.proposals")


class Proposing:
    """The desk, the figures that it looks at, and its background. `events` goes between the agents and the log."""

    def __init__(self, desk: ProposalDesk, lately: Lately, *, alone: bool) -> None:
        self.desk, self.events, self._alone = desk, lately, alone

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
        eyes = Eyes(lately=self.events, tools=tools(router, specs), names=tuple(sorted(specs)))
        background = Background(Steps(thinking.asker, self.desk, eyes), self.desk, self.events)
        while True:
            await asyncio.sleep(TURN_S)
            try:
                await background.turn()
            except StoreError as error:
                _log.warning("no look at the policy: %s", error)
            except Exception:
                # A fault in here ends one look, not all that follow.
                _log.exception("a look at the policy failed")


def open_proposals(
    settings: Settings,
    store: StateStore | None,
    events: EventSink,
    rollout: Callable[[], Rollout],
    clock: Clock,
) -> Proposing:
    """Everything but the agents, which are started later. `store` None: nobody shares the proposals."""
    lately = Lately(events, clock)
    parameter = settings.policy.ssm
    ways = Ways(
        rollout=rollout,
        simulate=simulation(settings.events.dir),
        events=events,
        clock=clock,
        push=None if parameter is None else pushing(parameter),
    )
    book = ProposalBook(store or MemoryStateStore(clock), clock, f"{socket.gethostname()}-{os.getpid()}")
    return Proposing(ProposalDesk(book, ways), lately, alone=store is None)


def open_agentcore_memory(
    settings: Settings, clock: Clock, closers: list[Callable[[], Awaitable[None]]]
) -> StateStore | None:
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


def simulation(events: Path) -> Callable[[Policy, Policy], Awaitable[Mapping[str, Any]]]:
    """`tierwise policy simulate --json`, one at a time."""
    turn, where = asyncio.Lock(), str(events.absolute())

    async def simulate(new: Policy, old: Policy) -> Mapping[str, Any]:
        async with turn:
            with tempfile.TemporaryDirectory(prefix="tierwise-") as folder:
                files = await asyncio.to_thread(_written, Path(folder), new, old)
                return await _run([*_command(*files), "--events", where])

    return simulate


def pushing(parameter: str) -> Push:
    """A canary in Parameter Store, as `tierwise policy push` makes one."""

    async def push(proposal: Proposal, new: Policy, share: float, by: str) -> None:
        await asyncio.to_thread(_push, parameter, proposal, new, share, by)

    return push


def _push(parameter: str, proposal: Proposal, new: Policy, share: float, by: str) -> None:
    from gateway.cli.policy.changes import Author, PolicyChanges, standing
    from gateway.composition.policy import policy_store

    store = policy_store(parameter)
    seen = standing(store)
    if seen.in_force is None or parse(seen.in_force.text).sha256 != proposal.base_sha256:
        raise StaleStateError("another policy is in force in Parameter Store than the one that was judged")
    why = f"proposal {proposal.id}: {proposal.why}"[:MAX_WORDS]
    text = minified(to_document(new)).decode()
    PolicyChanges(store, seen, Author(by=by, why=why)).push(new, text, share, ramp=True)


def _written(folder: Path, new: Policy, old: Policy) -> tuple[Path, Path]:
    files = folder / "new.json", folder / "old.json"
    for file, policy in zip(files, (new, old), strict=True):
        file.write_bytes(minified(to_document(policy)))
    return files


def _command(new: Path, old: Path) -> list[str]:
    nice = shutil.which("nice")
    behind = [nice, "-n", "10"] if nice else []
    asked = ["policy", "simulate", "--json", "--policy", str(new), "--against", str(old), "--since", SINCE]
    return [*behind, sys.executable, "-m", "gateway", *asked]


async def _run(command: list[str]) -> Mapping[str, Any]:
    """The report. Raises `StoreError`."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
    )
    try:
        async with asyncio.timeout(SIMULATION_S):
            told, _ = await process.communicate()
    except TimeoutError:
        raise StoreError(f"the simulation took longer than {SIMULATION_S:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise StoreError("past requests could not be decided again")
    try:
        report: Mapping[str, Any] = json.loads(told)
    except ValueError:
        raise StoreError("the simulation's report cannot be read") from None
    return report
