"""What a target has shown of itself: speed, errors and quality, folded one observation at a time.

Moving averages, because a target's load changes by the minute and nobody wants to choose a window. Everything
observed is hostile until bounded: a node that reports nonsense must not be able to steer the estimates beyond reason.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from router_core.learning.online import BOUND
from router_core.record import dataclass

SPEED_RATE: Final = 0.1
ERROR_RATE: Final = 0.05
QUALITY_RATE: Final = 0.02
"""Share of a new observation: speed follows within tens of requests, quality within hundreds of judgements."""
QUALITY_BOUND: Final = BOUND
OUTLIER: Final = 8.0
IDLE_HALF_LIFE_S: Final = 120.0
MAX_MS: Final = 600_000.0
MAX_TOKENS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """One target's moving averages. `ttft_ms` to the first token and `decode_ms` per further token are None until
    seen; `error_rate` and `quality_delta` (against the prior, see `online`) start at 0. `samples` counts folded outcomes,
    `timed` those that told the speed, `judged` folded qualities."""

    ttft_ms: float | None = None
    decode_ms: float | None = None
    error_rate: float = 0.0
    quality_delta: float = 0.0
    samples: int = 0
    timed: int = 0
    judged: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What one good answer took: milliseconds in all, to the first token (None when not streamed), tokens out.
    `known_ms` is the part that other numbers explain (round trip, prompt tokens times prefill) and is taken off;
    `ttft_prior_ms` and `decode_prior_ms` split a time that was seen only as a whole, until better is known."""

    latency_ms: float
    output_tokens: int
    ttft_ms: float | None = None
    known_ms: float = 0.0
    ttft_prior_ms: float = 200.0
    decode_prior_ms: float = 15.0


def fold_outcome(estimates: Estimates, *, ok: bool, timing: Timing | None = None) -> Estimates:
    """With one attempt's outcome. `ok` False means failed by the target's fault; its time says nothing and is not
    folded, nor is a timing that isn't finite."""
    seen = _split(estimates, timing) if ok and timing is not None else None
    ttft_ms, decode_ms = estimates.ttft_ms, estimates.decode_ms
    if timing is not None and seen is not None:
        rate = max(SPEED_RATE, 1.0 / (estimates.timed + 2))
        ttft_ms = _moved(ttft_ms, timing.ttft_prior_ms, seen[0], rate)
        decode_ms = decode_ms if seen[1] is None else _moved(decode_ms, timing.decode_prior_ms, seen[1], rate)
    return Estimates(
        ttft_ms=ttft_ms,
        decode_ms=decode_ms,
        error_rate=estimates.error_rate + ERROR_RATE * ((0.0 if ok else 1.0) - estimates.error_rate),
        quality_delta=estimates.quality_delta,
        samples=estimates.samples + 1,
        timed=estimates.timed + (seen is not None),
        judged=estimates.judged,
    )


def fold_idle(
    estimates: Estimates, *, idle_s: float, ttft_prior_ms: float, decode_prior_ms: float
) -> Estimates:
    """With `idle_s` seconds in which nothing was heard of the target: half of what set it apart from its priors is
    forgotten per `IDLE_HALF_LIFE_S`. Without this a target that was once slow would never be asked again, and so
    never seen to have recovered. Quality is not forgotten: it is the model's, not the moment's."""
    kept = 0.5 ** (max(0.0, idle_s) / IDLE_HALF_LIFE_S)
    return replace(
        estimates,
        ttft_ms=_faded(estimates.ttft_ms, ttft_prior_ms, kept),
        decode_ms=_faded(estimates.decode_ms, decode_prior_ms, kept),
        error_rate=estimates.error_rate * kept,
    )


def _split(estimates: Estimates, timing: Timing) -> tuple[float, float | None] | None:
    """Time to the first token and per further token; the latter None for an answer of one token."""
    if not math.isfinite(timing.latency_ms + timing.known_ms + (timing.ttft_ms or 0.0)):
        return None
    latency_ms = min(MAX_MS, max(0.0, timing.latency_ms))
    known_ms = max(0.0, timing.known_ms)
    more = min(MAX_TOKENS, max(0, timing.output_tokens - 1))
    if timing.ttft_ms is not None:
        first = min(latency_ms, max(0.0, timing.ttft_ms))
        return max(0.0, first - known_ms), (latency_ms - first) / more if more else None
    # Only the whole is known: both parts are taken to be off by the same factor.
    ttft_ms = timing.ttft_prior_ms if estimates.ttft_ms is None else estimates.ttft_ms
    decode_ms = timing.decode_prior_ms if estimates.decode_ms is None else estimates.decode_ms
    expected = ttft_ms + decode_ms * more
    if expected <= 0.0:
        return None
    factor = max(0.0, latency_ms - known_ms) / expected
    return ttft_ms * factor, decode_ms * factor if more else None


def _moved(before: float | None, prior: float, seen: float, rate: float) -> float:
    """One step from the estimate, or at first from the prior, towards what was seen; a single outlier counts as
    `OUTLIER` times the estimate at most."""
    start = prior if before is None else before
    return start + rate * (min(seen, OUTLIER * start + 1.0) - start)


def _faded(estimate: float | None, prior: float, kept: float) -> float | None:
    return None if estimate is None else prior + kept * (estimate - prior)
