"""Puts a Lambda function together: only the parts that its stage uses, each when it is first asked for.

The gateway's composition root builds everything at start, because it serves for days; a function may serve one request
and is billed for every import.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from router_core.adapters.system_clock import WallClock
from router_core.deployment import DELIBERATES
from router_core.errors import ConfigurationError

if TYPE_CHECKING:
    from agents.cache import CacheAgent
    from agents.deliberation.deliberator import Deliberator
    from agents.guarding.outside import Guards
    from agents.others import Others
    from agents.resource import ResourceAgent
    from agents.safety import SafetyAgent
    from agents.sensing import SignalServices
    from gateway.composition.keys import KeyRotation
    from gateway.composition.learning.learned import LearnedFiles
    from gateway.composition.plan import Plan, PlannedKey
    from gateway.composition.stores import Stores
    from gateway.composition.targets import Adapters
    from gateway.hosts.canary_followed import FollowedCanary
    from gateway.hosts.outside import Outside
    from gateway.http.auth import KeyRing
    from gateway.settings.schema import Settings
    from router_core.adapters.aws.ssm_policy import SsmPolicySource
    from router_core.adapters.policy_file import FilePolicySource
    from router_core.ports import Clock, Ledger
    from router_core.resources import TargetSpec

KEYS_S: Final = 60.0
"""How often keys are fetched again where they rotate."""
LEARNED_S: Final = 10.0
LOOK_S: Final = 2.0
"""Age from which targets are looked at again before a request: a frozen function has no background that would."""
CLOCK: Final = WallClock()


class Parts:
    """What the environment's variables describe. `outside` replaces the environment's shared parts in tests; `look_s` is
    the age from which targets are looked at again."""

    def __init__(
        self, environ: Mapping[str, str], outside: Outside | None = None, *, look_s: float = LOOK_S
    ) -> None:
        self.environ = environ
        self.blobs = _LaterBlobs(self)
        self._outside = outside
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._rotation: KeyRotation | None = None
        # Due at once: a function that starts after a rotation must know the key before it, too.
        self.looked, self._keys_read, self._learned_read = Every(look_s), Every(KEYS_S), Every(LEARNED_S)

    @cached_property
    def settings(self) -> Settings:
        from gateway.settings.loading import load

        return load(None, self.environ)

    @cached_property
    def outside(self) -> Outside:
        from gateway.hosts.outside import aws_outside

        return self._outside or aws_outside(self.settings, self.environ)

    @cached_property
    def source(self) -> FilePolicySource | SsmPolicySource:
        """Where the policy comes from."""
        from gateway.composition.policy import policy_source

        return policy_source(self.settings.policy)

    @cached_property
    def policies(self) -> FilePolicySource | FollowedCanary:
        """The policies in force, a canary's share as far as whoever judges it allows."""
        from gateway.hosts.canary_followed import FollowedCanary
        from router_core.adapters.policy_file import FilePolicySource

        if isinstance(self.source, FilePolicySource):
            return self.source
        return FollowedCanary(self.source, self.outside.states if self.settings.stores.state else None)

    @cached_property
    def learned(self) -> LearnedFiles:
        """What was learned and lies in files of the function's asset, a layer or a mounted folder."""
        from gateway.composition.learning.learned import LearnedFiles

        return LearnedFiles(self.settings.learning)

    @cached_property
    def specs(self) -> tuple[TargetSpec, ...]:
        """The targets, without fetching a secret."""
        from gateway.composition.plan import plan_targets
        from router_core.adapters.data_files import load_data

        data = load_data(self.settings.data.models, self.settings.data.regions)
        return tuple(t.spec for t in plan_targets(self.settings, self.environ, data, secrets=False))

    @cached_property
    def targets(self) -> Plan:
        """The targets with what opens them, and no caller's key."""
        from gateway.composition.plan import Plan, plan_targets
        from router_core.adapters.data_files import load_data

        data = load_data(self.settings.data.models, self.settings.data.regions)
        return Plan(settings=self.settings, targets=plan_targets(self.settings, self.environ, data), keys=())

    @cached_property
    def keys(self) -> tuple[PlannedKey, ...]:
        """Whom the API lets in. Raises `ConfigurationError` when there is nobody."""
        from gateway.composition.plan import plan_keys

        if not self.settings.keys:
            raise ConfigurationError("settings: a function behind an API needs [[keys]]")
        return plan_keys(self.settings, self.environ, sandbox=False)[0]

    @cached_property
    def adapters(self) -> Adapters:
        from gateway.composition.targets import build_adapters

        return build_adapters(self.targets)

    @cached_property
    def _others(self) -> Others | None:
        """What all hosts together learned: the function that takes the snapshot sees no outcome itself."""
        from agents.others import Others

        if self.settings.stores.state is None:
            return None
        return Others(self.specs, self.outside.states(), CLOCK)

    @cached_property
    def guards(self) -> Guards:
        """Who is asked about content, by the settings."""
        from gateway.composition.outside.guards import open_guards

        return open_guards(self.settings, self.environ, self._closers)

    @cached_property
    def safety(self) -> SafetyAgent:
        """The safety agent over these guards."""
        from agents.safety import SafetyAgent

        return SafetyAgent(CLOCK, self.guards)

    @cached_property
    def resource(self) -> ResourceAgent:
        from agents.resource import ResourceAgent

        return ResourceAgent(self.specs, self.policies.rollout(), CLOCK)

    async def stores(self, plan: Plan) -> Stores:
        """Response cache and limits: Redis where it is named, else this function's own memory."""
        from gateway.composition.stores import open_stores

        opened = await open_stores(plan, CLOCK)
        self._closers.append(opened.close)
        return opened

    def closing(self, close: Callable[[], Awaitable[None]]) -> None:
        """Also call this at the end."""
        self._closers.append(close)

    async def close(self) -> None:
        """End connections and threads."""
        built: Adapters | None = self.__dict__.get("adapters")
        for close in (*self._closers, *(built.closers if built is not None else ())):
            await close()

    async def cache_agent(self) -> CacheAgent:
        """The cache agent over Redis where it is named; no other store is opened for it."""
        from agents.cache import CacheAgent
        from gateway.composition.plan import Plan
        from gateway.settings.schema import StoreSettings

        settings = replace(self.settings, stores=StoreSettings())
        opened = await self.stores(Plan(settings=settings, targets=(), keys=()))
        return CacheAgent(opened.responses, opened.affinity)

    async def signals(self) -> SignalServices | None:
        """Services outside that are asked about requests."""
        if self.settings.signals.comprehend is None and self.settings.signals.textract is None:
            return None
        from gateway.composition.signals import open_signals

        return await open_signals(self.settings, self._closers)

    async def ledger(self) -> Ledger | None:
        """What all functions spend together, for one that opens no other store."""
        if DELIBERATES not in self.environ or self.settings.stores.state is None:
            return None
        from gateway.composition.aws import open_state

        state, ledger = await open_state(self.settings.stores.state, CLOCK)
        self._closers += [state.close, ledger.close]
        return ledger

    async def thinking(self, ledger: Ledger | None, clock: Clock) -> Deliberator | None:
        """Who thinks twice; None, and nothing imported for it, where no variable names the models' region. A cap that each
        machine kept alone would be none, so a ledger is a must. Raises `ConfigurationError`."""
        if DELIBERATES not in self.environ:
            return None
        if ledger is None:
            raise ConfigurationError(
                "settings: functions deliberate with a shared ledger: stores.state or redis"
            )
        from gateway.composition.deliberation import open_deliberation
        from gateway.composition.plan import Plan, plan_targets
        from router_core.adapters.data_files import load_data

        data = load_data(self.settings.data.models, self.settings.data.regions)
        targets = plan_targets(self.settings, self.environ, data, secrets=False)
        made = Plan(settings=self.settings, targets=targets, keys=())
        return open_deliberation(made, self.environ, ledger, clock, self._closers)

    async def catch_up(self) -> None:
        """Take over a policy, or what was learned, that changed while the function was frozen."""
        from router_core.adapters.policy_file import FilePolicySource

        if "learned" in self.__dict__ and self._learned_read.due():
            await asyncio.to_thread(self.learned.look)
        every_s = self.settings.policy.poll_s
        if isinstance(self.source, FilePolicySource) or isinstance(self.policies, FilePolicySource):
            return
        await asyncio.to_thread(self.source.catch_up, every_s)
        await self.policies.look(every_s)

    def rotating(self, ring: KeyRing) -> None:
        """From now on `rotate_keys` keeps the ring up to date."""
        from gateway.composition.keys import KeyRotation

        rotation = KeyRotation(self.keys, ring)
        self._rotation = rotation if rotation.needed else None

    async def rotate_keys(self) -> None:
        """Take over keys that were rotated while the function was frozen."""
        if self._rotation is not None and self._keys_read.due():
            await asyncio.to_thread(self._rotation.refresh)

    async def look(self) -> None:
        """Look at the targets again where what is known of them is too old, and take the policy over."""
        if self.looked.due():
            probes = self.adapters.probes
            readings = await asyncio.gather(*(probe.probe() for probe in probes.values()))
            for name, reading in zip(probes, readings, strict=True):
                self.resource.learn(name, reading)
        others = self._others
        if others is not None:
            await others.read()
        self.resource.refresh(self.policies.rollout(), {} if others is None else others.behind({}))


class Every:
    """A task that a host with a background would repeat: `due` once in `every_s`, by the wall's clock, because a machine
    that is frozen may stop its own."""

    def __init__(self, every_s: float) -> None:
        self._every_s, self._done_s = every_s, 0.0

    def due(self) -> bool:
        """Whether it is time; whoever asks does it."""
        now = time.time()
        due = not 0.0 <= now - self._done_s < self._every_s
        if due:
            self._done_s = now
        return due


class _LaterBlobs:
    """`BlobStore` that is opened when something is too large to travel, and mostly nothing is."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def put(self, content: bytes) -> str:
        return await self._parts.outside.blobs().put(content)

    async def get(self, key: str) -> bytes:
        return await self._parts.outside.blobs().get(key)
