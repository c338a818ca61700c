"""Looks at one vLLM node: is it up, does it serve the model, how much waits, how full is its cache.

Metric names are those of vLLM 0.32 and, where they were renamed, of older releases. Servers that only speak OpenAI's
API have no health page or metrics; they count as up when they list their models.
"""

from __future__ import annotations

import math
import re
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

import orjson

from router_core.adapters.models.http_pool import HttpPool, Reply
from router_core.adapters.wire.http_wire import encode_headers
from router_core.errors import TargetError
from router_core.ports import Reading

MODELS_EVERY: Final = 30
"""Probes between two looks at the list of models, which changes when adapters are loaded."""
_MAX_MODELS: Final = 1_000
_GAUGES: Final[Mapping[str, tuple[str, ...]]] = {
    "running": ("num_requests_running",),
    "waiting": ("num_requests_waiting",),
}
_COUNTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "requests_total": ("request_success_total",),
    "ttft_sum_s": ("time_to_first_token_seconds_sum",),
    "ttft_count": ("time_to_first_token_seconds_count",),
    "prefix_queries": ("prefix_cache_queries_total", "gpu_prefix_cache_queries_total"),
    "prefix_hits": ("prefix_cache_hits_total", "gpu_prefix_cache_hits_total"),
}
_KV: Final = ("kv_cache_usage_perc", "gpu_cache_usage_perc")
_NAMES: Final = sorted({name for names in (*_GAUGES.values(), *_COUNTERS.values(), _KV) for name in names})
_SAMPLE: Final = re.compile(
    rb"^vllm:(%b)(?:\{([^\n]*)\})? +([^\s]+)" % "|".join(_NAMES).encode(), re.MULTILINE
)
_MODEL: Final = re.compile(rb'(?:^|,) *model_name="((?:[^"\\]|\\.)*)"')

Samples = Mapping[str, list[float]]


class VllmProbe:
    """`HealthProbe` over the pool of the node's model adapter. `timeout_s` bounds each of at most three requests."""

    def __init__(
        self, pool: HttpPool, model: str, *, api_key: str | None = None, timeout_s: float = 2.0
    ) -> None:
        self._pool = pool
        self._model = model
        self._headers = encode_headers({} if api_key is None else {"authorization": f"Bearer {api_key}"})
        self._timeout_s = timeout_s
        self._root = pool.origin.path.removesuffix("/v1")
        self._models: tuple[str, ...] = ()
        self._probes = 0

    async def probe(self) -> Reading:
        """One look. Never raises; what the node does not tell is None."""
        started = time.perf_counter()
        health = await self._get(f"{self._root}/health")
        rtt_ms = (time.perf_counter() - started) * 1000
        if isinstance(health, TargetError):
            return Reading(up=False, detail=str(health))
        if health.status not in (200, 404, 405):
            return Reading(up=False, rtt_ms=rtt_ms, detail=f"health says {health.status}")
        listed = await self._list_models()
        if health.status != 200 and not listed:
            return Reading(up=False, rtt_ms=rtt_ms, detail="neither a health page nor a list of models")
        if self._models and self._model not in self._models:
            return Reading(
                up=False, rtt_ms=rtt_ms, models=self._models, detail="the model is not served there"
            )
        page = await self._get(f"{self._root}/metrics")
        told = b"" if isinstance(page, TargetError) or page.status != 200 else page.body
        return Reading(up=True, rtt_ms=rtt_ms, models=self._models, **read_metrics(told, self._model))

    async def _get(self, path: str) -> Reply | TargetError:
        try:
            return await self._pool.request("GET", path, self._headers, None, timeout_s=self._timeout_s)
        except TargetError as error:
            return error

    async def _list_models(self) -> bool:
        """Refresh the list now and then; an old one stays when the node does not answer. False: none was ever had."""
        # A node that lacks the model may be loading it: it is asked each time.
        if self._probes % MODELS_EVERY == 0 or self._model not in self._models:
            reply = await self._get(f"{self._pool.origin.path}/models")
            if isinstance(reply, Reply) and reply.status == 200:
                self._models = _model_names(reply.body) or self._models
        self._probes += 1
        return bool(self._models)


def _model_names(body: bytes) -> tuple[str, ...]:
    try:
        rows = orjson.loads(body)["data"][:_MAX_MODELS]
        return tuple([row["id"] for row in rows if isinstance(row["id"], str)])
    except (ValueError, KeyError, TypeError):
        return ()


def read_metrics(page: bytes, model: str) -> dict[str, Any]:
    """Fields of a `Reading` from a Prometheus page: sums over engines, the mean for cache use; absent ones left out.

    Samples of other models on the node are passed over, unless none names this one (it then runs under an alias).
    """
    samples = _samples(page, model.encode())
    fields: dict[str, Any] = {}
    for field, names in _GAUGES.items():
        if values := _first(samples, names):
            fields[field] = int(sum(values))
    for field, names in _COUNTERS.items():
        if values := _first(samples, names):
            fields[field] = sum(values)
    if values := _first(samples, _KV):
        fields["kv_usage"] = min(1.0, max(0.0, sum(values) / len(values)))
    return fields


def _samples(page: bytes, model: bytes) -> Samples:
    ours: defaultdict[str, list[float]] = defaultdict(list)
    everything: defaultdict[str, list[float]] = defaultdict(list)
    for found in _SAMPLE.finditer(page):
        try:
            value = float(found[3])
        except ValueError:
            continue
        if not math.isfinite(value):
            continue
        name = found[1].decode()
        everything[name].append(value)
        named = _MODEL.search(found[2] or b"")
        if named is None or re.sub(rb"\\(.)", rb"\1", named[1]) == model:
            ours[name].append(value)
    return ours or everything


def _first(samples: Samples, names: tuple[str, ...]) -> list[float]:
    """The samples under the newest name there is: a release in between shows both."""
    return next((samples[name] for name in names if name in samples), [])
