"""What the doctor looks at. Each check is its own function and may fail without stopping the next."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway.composition.plan import Plan, PlannedTarget, plan
from gateway.composition.policy import rollout_now
from gateway.composition.sandbox import NOT_STARTED
from gateway.settings.loading import load
from gateway.settings.schema import DeliberationSettings, Settings
from router_core.errors import TierwiseError
from router_core.inference import TIERS

EXTRAS: Final = {"edge": ("onnxruntime", "tokenizers"), "aws": ("boto3",), "redis": ("redis",)}
PACKAGES: Final = ("router_core", "agents", "edge_runtime", "gateway")
CONNECT_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`verdict` ok | note | fail."""

    verdict: str
    what: str
    detail: str


def examine(config: str | None, *, sandbox: bool) -> list[Finding]:
    """All findings, in the order a person would ask."""
    try:
        settings = load(config, os.environ)
    except TierwiseError as error:
        return [_fail("settings", str(error)), *_surroundings()]
    where = str(settings.source) if settings.source else "no file: defaults and variables"
    return [
        _ok("settings", where),
        *_plan(settings, sandbox=sandbox),
        _policy(settings),
        _events(settings),
        _redis(settings),
        *_jobs(settings),
        *_stores(settings),
        *_providers(settings),
        *_guards(settings),
        *_deliberation(settings),
        *_surroundings(),
    ]


def _plan(settings: Settings, *, sandbox: bool) -> Iterator[Finding]:
    try:
        made = plan(settings, os.environ, sandbox=sandbox, access=NOT_STARTED)
    except TierwiseError as error:
        yield _fail("plan", str(error))
        return
    ids = [f"{key.settings.id} ({key.settings.role})" for key in made.keys if key.secret is not made.printed]
    yield _ok("keys", ", ".join(ids) or "none configured: one is generated at start, for this machine only")
    for tier in TIERS:
        yield _tier(tier, made)
    for line in made.notes:
        if line.startswith("tier "):
            continue
        yield Finding(verdict="note", what="data", detail=line)
    for target in made.targets:
        yield _target(target)


def _tier(tier: str, made: Plan) -> Finding:
    names = [target.spec.name for target in made.targets if target.spec.tier == tier]
    if not names:
        return Finding(verdict="note", what=f"tier {tier}", detail="not configured, never chosen")
    return _ok(f"tier {tier}", ", ".join(names))


def _target(target: PlannedTarget) -> Finding:
    what = f"target {target.spec.name}"
    url = target.settings.base_url or target.settings.endpoint_url
    if target.settings.kind == "onnx":
        return _device_model(what, target)
    if target.stand_in:
        return _ok(what, "stand-in, started with the sandbox")
    if url is None:
        return _signed(what, f"Amazon Bedrock in {target.spec.region or 'the default region'}")
    return _reach(what, url)


def _signed(what: str, where: str) -> Finding:
    """A service of AWS, which is not asked here: it may cost."""
    if os.environ.get("AWS_ACCESS_KEY_ID") or os.environ.get("AWS_PROFILE"):
        return _ok(what, f"{where}; credentials in the environment")
    return _note(what, f"{where}; no credentials in the environment")


def _reach(what: str, url: str) -> Finding:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), CONNECT_S):
            return _ok(what, f"{parts.hostname}:{port} accepts connections")
    except OSError as error:
        return _fail(what, f"{parts.hostname}:{port} does not answer ({type(error).__name__})")


def _device_model(what: str, target: PlannedTarget) -> Finding:
    if find_spec("onnxruntime") is None:
        return _fail(what, "onnxruntime is not installed: pip install 'tierwise[edge]'")
    from edge_runtime.engines.model_folder import ModelFolderError, verify_folder
    from edge_runtime.store import SHIPPED

    folder = target.settings.path or SHIPPED / target.settings.model
    try:
        manifest = verify_folder(folder)
    except ModelFolderError as error:
        return _fail(what, str(error))
    return _ok(what, f"{len(manifest['files'])} files match their checksums")


def _policy(settings: Settings) -> Finding:
    try:
        now = rollout_now(settings.policy)
    except TierwiseError as error:
        return _fail("policy", str(error))
    canary = f", and {now.canary.label} for {now.share:.0%} of the sessions" if now.canary is not None else ""
    where = settings.policy.ssm or settings.policy.file or "the package"
    return _ok("policy", f"{now.stable.label} from {where}{canary}")


def _events(settings: Settings) -> Finding:
    """Whether records can be written; makes nothing that was not there."""
    place = settings.events.dir.absolute()
    existing = next(parent for parent in (place, *place.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            return _ok("events", f"{settings.events.dir} is writable")
    except OSError as error:
        return _fail("events", f"{settings.events.dir} is not writable ({error.strerror})")


def _redis(settings: Settings) -> Finding:
    """Reached, let in, writable, and fast enough for the timeout that is set."""
    redis = settings.redis
    if not redis.configured:
        return Finding(
            verdict="note", what="redis", detail="not configured: workers and replicas share nothing"
        )
    # Not before it is needed: what it imports would fail where a foreign `agents` is in the way, which we are to tell.
    from gateway.composition.stores import redis_write_ms

    where = redis.url or f"{redis.master} of {len(redis.sentinels)} sentinels"
    try:
        took_ms = redis_write_ms(redis, os.environ)
    except TierwiseError as error:
        return _fail("redis", f"{where}: {error}")
    if took_ms > redis.timeout_ms / 2:
        detail = f"{where} takes {took_ms:.1f} ms per write; timeout_ms is {redis.timeout_ms:g}"
        return Finding(verdict="note", what="redis", detail=detail)
    return _ok("redis", f"{where} takes writes, {took_ms:.1f} ms each")


def _jobs(settings: Settings) -> Iterator[Finding]:
    """Where asynchronous requests are kept. A file is made when the first one comes."""
    from gateway.composition.jobs import packaged, store_answers

    jobs = settings.jobs
    if not packaged():
        yield _note("jobs", "in memory, lost at a restart: pip install 'tierwise[sql]'")
        return
    try:
        there = store_answers(jobs, os.environ)
    except TierwiseError as error:
        yield _fail("jobs", f"{jobs.url}: {error}")
        return
    carried = "" if jobs.sns is None else f", carried by {jobs.sns}"
    yield _ok("jobs", f"{jobs.url} {'answers' if there else 'is made when it is needed'}{carried}")


def _providers(settings: Settings) -> Iterator[Finding]:
    """Whom callers may ask with their own keys."""
    for provider in settings.providers:
        what, url = f"provider byok/{provider.name}", provider.base_url
        yield _ok(what, f"at the address of {provider.kind}'s own") if url is None else _reach(what, url)


def _stores(settings: Settings) -> Iterator[Finding]:
    """The stores in AWS that are named: there, and readable with these credentials."""
    if settings.stores == type(settings.stores)():
        return
    from gateway.composition.aws import unreachable

    for key in ("decisions", "state", "models"):
        name = getattr(settings.stores, key)
        if name is None:
            continue
        error = unreachable(settings.stores, key)
        what = f"stores.{key}"
        yield _ok(what, f"{name} is readable") if error is None else _fail(what, f"{name}: {error}")


def _guards(settings: Settings) -> Iterator[Finding]:
    """The guards that are configured, and those that the policy names and nobody configured: a rule of theirs never fires."""
    for guard in settings.guards:
        url = guard.endpoint_url or guard.base_url
        what = f"guard {guard.name}"
        yield _ok(what, f"Bedrock guardrail in {guard.region}") if url is None else _reach(what, url)
    with suppress(TierwiseError):
        rules = rollout_now(settings.policy).stable.guard.rules
        for name in sorted(
            {name for rule in rules for name in rule.guards} - {g.name for g in settings.guards}
        ):
            yield _fail(f"guard {name}", "the policy asks it, and no [[guards]] has this name")


def _deliberation(settings: Settings) -> Iterator[Finding]:
    """Where agents' models are, and whether the policy has them asked: one without the other is a gateway that does not think."""
    with suppress(TierwiseError):
        wanted = rollout_now(settings.policy).stable.thinks()
        asked = settings.deliberation
        if asked.region is not None or asked.endpoint_url is not None:
            yield _nova(asked)
            if not wanted:
                yield _note("deliberation", "the policy in force has no agent think")
        elif wanted:
            yield _note("deliberation", "the policy has agents think, but deliberation.region is not set")


def _nova(asked: DeliberationSettings) -> Finding:
    what = "deliberation"
    if absent := [name for name in ("boto3", "strands") if find_spec(name) is None]:
        return _fail(what, f"{', '.join(absent)} not installed: pip install 'tierwise[aws,deliberation]'")
    if asked.endpoint_url is not None:
        return _reach(what, asked.endpoint_url)
    return _signed(what, f"Nova in {asked.region}")


def _surroundings() -> Iterator[Finding]:
    for extra, modules in EXTRAS.items():
        absent = [module for module in modules if find_spec(module) is None]
        detail = (
            f"not installed ({', '.join(absent)}): pip install 'tierwise[{extra}]'" if absent else "installed"
        )
        yield Finding(verdict="note" if absent else "ok", what=f"extra {extra}", detail=detail)
    # edge_runtime sets it before any engine is imported; whoever sets it to something else has said so.
    import edge_runtime  # noqa: F401  # for its effect

    telemetry = os.environ.get("ORT_DISABLE_TELEMETRY")
    yield (
        _ok("telemetry", "onnxruntime's usage data is switched off")
        if telemetry == "1"
        else _fail("telemetry", "ORT_DISABLE_TELEMETRY is not 1: onnxruntime may send usage data")
    )
    for name in PACKAGES:
        if (foreign := _foreign(name)) is not None:
            yield _fail(f"package {name}", f"another distribution's package is imported: {foreign}")


def _foreign(name: str) -> Path | None:
    """The folder of a package called `name` that is not ours, e.g. a project's own `agents`."""
    home = Path(__file__).resolve().parents[2]
    spec = find_spec(name)
    origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
    if origin is None or origin.parent.parent != home:
        return origin or Path("nowhere")
    return None


def _ok(what: str, detail: str) -> Finding:
    return Finding(verdict="ok", what=what, detail=detail)


def _note(what: str, detail: str) -> Finding:
    return Finding(verdict="note", what=what, detail=detail)


def _fail(what: str, detail: str) -> Finding:
    return Finding(verdict="fail", what=what, detail=detail)
