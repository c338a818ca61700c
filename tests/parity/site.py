"""One set of failing targets behind all hosts: the gateway, the one-function Lambda, the stages, and the function that
waits for the stages.

Health is not looked at and breakers stay shut, so that all of them decide on the same snapshot; each request meets hosts
that have seen nothing before it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

from agents.assembly import Ports, assemble
from agents.cache import CacheAgent
from gateway.composition.keys import records
from gateway.hosts.aws_lambda import Host
from gateway.hosts.composition import Parts
from gateway.hosts.outside import Outside
from gateway.http.app import create_app
from gateway.http.auth import KeyRing
from gateway.http.dependencies import AppDependencies
from gateway.http.edge import Gateway as Application
from infra.constructs.workflow import definition
from router_core.adapters.memory.state import MemoryStateStore
from router_core.adapters.system_clock import SystemClock
from router_core.deployment import ENV, STAGE
from router_core.errors import LostError
from router_core.inference import TASKS
from router_core.stages import NAMES
from tests.fakes import FakeEvents, FakeResponses
from tests.parity.cases import KEY, MAX_BODY, NEAR, TARGETS, Case
from tests.parity.machine import Run, walk
from tests.unit.gateway.asgi import Reply, call
from tests.upstream.server import FaultServer

POLICY: Mapping[str, Any] = {
    "name": "parity",
    "limits": {"deadline_ms": 4_000},
    "retry": {"attempts_per_target": 2, "base_ms": 1, "cap_ms": 3, "max_retry_after_ms": 300},
    "breaker": {"failures": 1_000_000, "min_samples": 1_000, "error_rate": 1.0},
}
WAITED = definition({name: name for name in NAMES}, waited=True)
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "key-that-opens-nothing"}


class MemoryBlobs:
    """Blobs by their hash, and how many there are."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def put(self, content: bytes) -> str:
        key = hashlib.sha256(content).hexdigest()
        self.kept[key] = content
        return key

    async def get(self, key: str) -> bytes:
        return self.kept[key]


@dataclass
class Started:
    """Runs that were started, by name."""

    runs: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def start(self, name: str, payload: str) -> None:
        self.runs.setdefault(name, json.loads(payload))


class Waited:
    """Runs the express machine at once, over the functions of a house, in threads of their own as Lambda has machines."""

    def __init__(self, functions: Callable[[], Mapping[str, Host]]) -> None:
        self._functions = functions
        self.runs: dict[str, Run] = {}

    async def run(self, name: str, payload: str) -> str:
        self.runs[name] = await asyncio.to_thread(walk, WAITED, self._functions(), json.loads(payload))
        if not self.runs[name].succeeded:
            raise LostError("the run failed")
        return json.dumps(self.runs[name].output)


class House:
    """The environment that all hosts of one request share; `waited`: its api function asks the express machine."""

    def __init__(self, environ: Mapping[str, str], *, look_s: float = inf, waited: bool = False) -> None:
        self.environ, self.look_s = environ, look_s
        self.waited = Waited(self.functions) if waited else None
        self.events, self.blobs, self.started = FakeEvents(), MemoryBlobs(), Started()
        self.states = MemoryStateStore(SystemClock())
        self.responses = FakeResponses()
        self._hosts: dict[str, Host] = {}

    @property
    def outside(self) -> Outside:
        async def flush() -> None:
            return None

        return Outside(
            events=lambda: self.events,
            blobs=lambda: self.blobs,
            states=lambda: self.states,
            decisions=lambda: None,
            workflow=lambda: self.started,
            waited=lambda: self.waited,
            flush=flush,
        )

    def host(self, stage: str) -> Host:
        """The function, made at its first use."""
        if stage not in self._hosts:
            environ = {**self.environ, STAGE: stage}
            self._hosts[stage] = Host(environ, SharedParts(environ, self))
        return self._hosts[stage]

    def functions(self) -> dict[str, Host]:
        return {name: self.host(name) for name in NAMES}

    def close(self) -> None:
        for host in self._hosts.values():
            host.close()


class SharedParts(Parts):
    """Parts that share one response cache, as functions with Redis do."""

    def __init__(self, environ: Mapping[str, str], house: House) -> None:
        super().__init__(environ, house.outside, look_s=house.look_s)
        self._house = house

    async def cache_agent(self) -> CacheAgent:
        """What the functions of one environment share in Redis."""
        return CacheAgent(self._house.responses)


class Gateway:
    """The gateway's application, without a socket."""

    def __init__(self, house: House) -> None:
        self._parts = SharedParts({**house.environ, STAGE: "api"}, house)
        self._runner = asyncio.Runner()
        self._app: Application | None = None

    def __call__(self, case: Case) -> Reply:
        return self._runner.run(self._answer(case))

    async def _answer(self, case: Case) -> Reply:
        if self._app is None:
            self._app = await _gateway_app(self._parts)
        return await call(
            self._app, case.method, case.path, case.body, key=case.key, headers=dict(case.headers)
        )

    def close(self) -> None:
        self._runner.run(self._parts.close())
        self._runner.close()


async def _gateway_app(parts: SharedParts) -> Application:
    built = parts.adapters
    router = assemble(
        parts.specs,
        Ports(
            models=built.models,
            embedders=built.embedders,
            probes=built.probes,
            responses=FakeResponses(),
            events=parts.outside.events(),
            policy=parts.policies,
            clock=SystemClock(),
        ),
    )
    return create_app(
        AppDependencies(
            router=router,
            keys=KeyRing(records(parts.keys)),
            limiter=(await parts.stores(replace(parts.targets, keys=parts.keys))).limiter,
            metrics=lambda: (b"", "text/plain"),
            catalogue=parts.specs,
            max_body_bytes=parts.settings.server.max_body_bytes,
        )
    )


def proxy_event(case: Case) -> dict[str, Any]:
    """The event that API Gateway makes of the same request."""
    raw = case.raw
    headers = {"Content-Type": ["application/json"]}
    headers |= {name.title(): [value] for name, value in case.headers.items()}
    if case.key is not None:
        headers["Authorization"] = [f"Bearer {case.key}"]
    return {
        "resource": "/{proxy+}",
        "httpMethod": case.method,
        "path": case.path,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": None,
        "requestContext": {"requestId": "gw-1", "identity": {"sourceIp": "203.0.113.7"}},
        "body": raw.decode("latin-1") if _is_text(raw) else base64.b64encode(raw).decode(),
        "isBase64Encoded": not _is_text(raw),
    }


def _is_text(raw: bytes) -> bool:
    return raw.isascii()


class Clock:
    """What a function may ask about its time."""

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


@contextmanager
def upstreams() -> Iterator[dict[str, FaultServer]]:
    """A model server per target."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(FaultServer(length=6)) for name in TARGETS}


def environment(urls: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The variables of every host."""
    file = folder / "policy.json"
    file.write_text(json.dumps(POLICY))
    keys = [
        {"id": "phone", "tenant": "acme", "secret": "env:PARITY_KEY"},
        {"id": "near", "tenant": "acme", "secret": "env:PARITY_NEAR", "tiers": ["device", "mec"]},
    ]
    return {
        ENV: "dev",
        "PARITY_KEY": KEY,
        "PARITY_NEAR": NEAR,
        "TIERWISE_KEYS": json.dumps(keys),
        "TIERWISE_TARGETS": json.dumps([_target(name, urls[name]) for name in TARGETS]),
        "TIERWISE_POLICY__FILE": str(file),
        "TIERWISE_SERVER__MAX_BODY_BYTES": str(MAX_BODY),
    }


def _target(name: str, url: str) -> dict[str, Any]:
    tier, _, short = name.partition("/")
    own: dict[str, Any] = {"kind": "openai", "base_url": f"{url}/v1", "model": "test-model", "tier": tier}
    if tier == "cloud":
        region = "us-east-1" if short == "a" else "eu-central-1"
        own = {
            "kind": "bedrock",
            "endpoint_url": url,
            "model": f"us.amazon.nova-{short}-v1:0",
            "region": region,
        }
        own |= {"price_in": 0.3, "price_out": 0.7, "capability": 0.95}
    if tier == "device":
        own |= {"model": "intent-v1", "tasks": ["command", "chat", "classify"]}
    if short == "embed":
        own |= {"tasks": ["embed"]}
    if name == "mec/b":
        own |= {"modalities": ["text", "image"], "region": "eu-central-1", "price_in": 0.2, "price_out": 0.4}
    # No two are equally good: ties are broken by the request's id, which is another one at every host.
    good = 0.5 + 0.07 * TARGETS.index(name)
    quality = {task: round(good, 2) for task in TASKS}
    if short in ("slow", "hasty"):
        own |= {"timeout_s": 30.0 if short == "slow" else 0.3, "price_in": 90.0}
    return {"name": name, "timeout_s": 3.0, "context_tokens": 32_000, "quality": quality, **own}
