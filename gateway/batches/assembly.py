"""Puts the parts of batches together: what checks, places, releases and writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from gateway.batches.checking import Checking
from gateway.batches.driver import BatchDriver
from gateway.batches.parts import BatchFigures, BatchLimits, Bell
from gateway.batches.placing import Placing
from gateway.batches.releasing import Releasing
from gateway.http.openai.models import ModelNames
from gateway.http.ports import Router
from gateway.jobs.store import JobStore
from router_core.ports import Clock
from router_core.record import dataclass
from router_core.resources import TargetSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchesPlan:
    """How much may be, which names `model` may hold beside those of targets, and what is counted."""

    limits: BatchLimits = BatchLimits()
    aliases: Mapping[str, str] = field(default_factory=dict)
    figures: BatchFigures = field(default_factory=BatchFigures)
    bell: Bell = field(default_factory=Bell)


def placing(plan: BatchesPlan, router: Router, specs: Iterable[TargetSpec], clock: Clock) -> Placing:
    """What answers lines."""
    return Placing(router, specs, clock, idle_below=plan.limits.idle_below)


def batch_driver(
    plan: BatchesPlan, store: JobStore, router: Router, specs: tuple[TargetSpec, ...], clock: Clock
) -> BatchDriver:
    """The loop that moves batches on."""
    names = ModelNames(specs, plan.aliases, 0.0)
    checking = Checking(names, placing(plan, router, specs, clock))
    driver = BatchDriver(store, checking, Releasing(names, clock), clock, plan.limits)
    driver.figures = plan.figures
    plan.bell.heard = driver.wake
    return driver
