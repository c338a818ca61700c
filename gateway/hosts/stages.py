"""One stage of the workflow as a function: payload in, payload with the stage's own key out.

Decides what a failed stage tells the state machine: an error whose name is its class and whose message is JSON for the
next stage. Messages end in logs, so the words of a target, which like to quote the request, go by reference.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from agents.staged.carried import WAITING, Snapshots, TargetFailedError, told_of
from agents.staged.parcel import pack, unpack
from agents.staged.stages import Stage
from gateway.hosts.composition import CLOCK, Parts
from gateway.http.faults import note
from router_core.deployment import STAGE
from router_core.errors import StoreError, TierwiseError
from router_core.payload import error_to_json
from router_core.stages import STAGES

Act = Callable[[Mapping[str, Any], Any], Awaitable[dict[str, Any]]]
INTERNAL: Final = "InternalError"
_BY_NAME: Final = {stage.name: stage for stage in STAGES}
_LOG: Final = logging.getLogger("tierwise.stage")
_SNAPSHOTS: Final = Snapshots()


async def build(parts: Parts) -> Act:
    """The function of the stage that the environment names."""
    stage = _BY_NAME[parts.environ[STAGE]]
    if stage.name == STAGES[-1].name:
        from gateway.hosts.last_stage import last_stage

        work = await last_stage(parts, _SNAPSHOTS)
    else:
        work = _packed(parts, await _MADE[stage.name](parts))

    async def act(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        try:
            payload = {name: event[name] for name in event if name != "caught"}
            value = await work(await _unpacked(event, stage.takes, parts))
        except Exception as error:
            raise await _named(error, event, parts) from None
        return {**payload, stage.gives: value}

    return act


# ---- what each stage is made of --------------------------------------------------------------------------------------


async def _context(parts: Parts) -> Stage:
    from agents.sensing import Sensing
    from agents.staged.stages import ContextStage
    from agents.steps import Reading

    specs = {spec.name: spec for spec in parts.specs}
    signals = await parts.signals()
    sensing = None if signals is None else Sensing(signals, specs, CLOCK)
    reading = Reading(await parts.cache_agent(), specs, sensing, parts.learned.foresee, parts.safety)
    stage = ContextStage(reading, parts.policies, CLOCK)
    return _awake(parts.catch_up, stage)


async def _resource(parts: Parts) -> Stage:
    from agents.staged.stages import ResourceStage

    return _awake(parts.catch_up, _awake(parts.look, ResourceStage(parts.resource, CLOCK)))


async def _router(parts: Parts) -> Stage:
    from agents.staged.stages import RouterStage

    thinking = await parts.thinking(await parts.ledger(), CLOCK)
    return RouterStage(_SNAPSHOTS, CLOCK, thinking)


async def _cache(parts: Parts) -> Stage:
    from agents.staged.stages import CacheStage

    return CacheStage(await parts.cache_agent(), _SNAPSHOTS)


async def _execute(parts: Parts) -> Stage:
    import random

    from agents.executing.attempting import Attempting
    from agents.executor import Executor
    from agents.staged.stages import ExecuteStage

    built = parts.adapters
    calls = Attempting(built.models, built.embedders, parts.resource, CLOCK)
    executor = Executor(calls, CLOCK, random.random, parts.learned.keeping)
    return _awake(parts.catch_up, ExecuteStage(executor, _SNAPSHOTS, CLOCK))


def _awake(first: Callable[[], Awaitable[None]], stage: Stage) -> Stage:
    """The stage after what a function has to make up for that was frozen."""

    async def act(payload: Mapping[str, Any]) -> dict[str, Any]:
        await first()
        return await stage(payload)

    return act


_MADE: Final[Mapping[str, Callable[[Parts], Awaitable[Stage]]]] = {
    "context": _context,
    "resource": _resource,
    "router": _router,
    "cache": _cache,
    "execute": _execute,
}


# ---- what travels --------------------------------------------------------------------------------------------------------


def _packed(parts: Parts, stage: Stage) -> Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]:
    async def work(payload: Mapping[str, Any]) -> dict[str, Any]:
        return await pack(await stage(payload), parts.blobs)

    return work


async def _unpacked(event: Mapping[str, Any], takes: tuple[str, ...], parts: Parts) -> dict[str, Any]:
    """What the stage takes, as it was before it travelled."""
    payload = {name: await unpack(event[name], parts.blobs) for name in takes if name in event}
    if WAITING in event:
        payload[WAITING] = event[WAITING]
    if "caught" in event:
        payload["caught"] = await unpack(told_of(event["caught"]), parts.blobs)
    return payload


async def _named(error: Exception, event: Mapping[str, Any], parts: Parts) -> Exception:
    """The error as Lambda and Step Functions see it: by name and message."""
    if isinstance(error, StoreError):
        return _raised("StoreError", {"error": "StoreError", "detail": str(error)})
    if not isinstance(error, TierwiseError | TargetFailedError):
        note(_LOG, error, str(event.get("request", {}).get("request_id", "?")))
        return _raised(INTERNAL, {"error": INTERNAL})
    told = error_to_json(error)
    if isinstance(error, TargetFailedError):
        told["notes"] = error.notes
    try:
        return _raised(told["error"], await pack(told, parts.blobs, inline=not _quotes(told)))
    except StoreError:
        # A tier was asked; the attempts must not be lost with the store, only the words are.
        return _raised(told["error"], _silent(told))


def _quotes(told: Mapping[str, Any]) -> bool:
    """Whether a target's own words are in it; adapters put them behind a colon."""
    attempts = told.get("notes", told).get("attempts", ())
    return any(": " in (attempt.get("error") or "") for attempt in attempts)


def _silent(told: Any) -> Any:
    """The same without a target's own words."""
    if isinstance(told, Mapping):
        return {
            name: value.partition(": ")[0]
            if name in ("error", "detail") and isinstance(value, str)
            else _silent(value)
            for name, value in told.items()
        }
    return [_silent(one) for one in told] if isinstance(told, list) else told


def _raised(name: str, told: Mapping[str, Any]) -> Exception:
    """Lambda names an error after its class, so the class is made for the name."""
    kind: type[Exception] = type(name, (Exception,), {"__module__": __name__})
    return kind(json.dumps(told, separators=(",", ":")))
