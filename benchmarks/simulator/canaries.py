"""How many requests a harmful canary gets before it is ended, and how often a harmless one is ended by mistake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from router_core.learning.canary_test import Sums, Trial, allowed_share, harm
from router_core.learning.confidence_sequence import Moments

GOAL: Final = 0.1
"""The share that the operator asked for."""
BLOCK: Final = 500
"""Requests between two looks: what a gateway at 100 requests per second serves in 5 s."""
JUDGED: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Harms:
    """What is wrong with a canary: its cost and latency times the stable ones, errors and lost quality on top."""

    cost: float = 1.0
    latency: float = 1.0
    errors: float = 0.0
    quality: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One canary's life: requests of all until it was ended (or until the end of the look), and those it got."""

    ended: bool
    requests: int
    reached: int

    @property
    def share(self) -> float:
        return self.reached / self.requests


def life(seed: int, harms: Harms, requests: int) -> Life:
    """Requests come in blocks; costs and latencies are log-normal with the tail that answers have (sigma 1)."""
    chance = np.random.default_rng(seed)
    trial, reached, served = Trial(), 0, 0
    while served < requests:
        share = min(GOAL, allowed_share(trial))
        canaries = int(chance.binomial(BLOCK, share))
        trial += Trial(stable=_sums(chance, BLOCK - canaries, Harms()), canary=_sums(chance, canaries, harms))
        served, reached = served + BLOCK, reached + canaries
        if harm(trial) is not None:
            return Life(ended=True, requests=served, reached=reached)
    return Life(ended=False, requests=served, reached=reached)


def lives(count: int, harms: Harms, requests: int) -> list[Life]:
    return [life(seed, harms, requests) for seed in range(count)]


def _sums(chance: np.random.Generator, count: int, harms: Harms) -> Sums:
    judged = int(chance.binomial(count, JUDGED))
    good = np.clip(0.85 - harms.quality, 0.0, 1.0)
    return Sums(
        metrics={
            "cost_usd": Moments.of(chance.lognormal(-8.0, 1.0, count) * harms.cost),
            "errors": Moments.of(chance.random(count) < 0.01 + harms.errors),
            "latency_ms": Moments.of(np.minimum(60_000.0, chance.lognormal(6.5, 1.0, count) * harms.latency)),
            "quality": Moments.of(chance.random(judged) >= good),
        }
    )
