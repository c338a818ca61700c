"""Which targets may serve a request at all. Hard: nothing that is removed here can come back by any other way.

Each removal has a reason whose first word names the constraint. Permission is checked before capacity, so a target
that says "busy" or "health" would otherwise have been permitted, and "all are busy" differs from "none may".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from router_core.context import MODALITY_BITS, RequestContext
from router_core.inference import PRIVACY_LEVELS, THERMALS
from router_core.policy.document import Policy
from router_core.resources import Target, TargetSpec
from router_core.routing.objective import Weighed
from router_core.routing.table import TargetTable

CAPACITY_WORDS: Final = ("busy", "health")
MEMO_LIMIT: Final = 4096
RESTRICTED: Final = 3

Reasons = tuple[str | None, ...]
Check = tuple[list[int], Callable[[int], str]]


def permitted(context: RequestContext, table: TargetTable, weighed: Weighed) -> tuple[Sequence[int], Reasons]:
    """Indices of the targets that pass every filter, in order, and for each target its reason or None."""
    allowed, reasons = _standing(context, table)
    checks = _numeric(context, table, weighed)
    if not checks:
        return allowed, reasons
    changed = list(reasons)
    for failing, explain in checks:
        for i in failing:
            if changed[i] is None or is_capacity(changed[i]):
                changed[i] = explain(i)
    return [i for i in allowed if changed[i] is None], tuple(changed)


def is_capacity(reason: str | None) -> bool:
    """Whether the target was only busy or ill, not forbidden."""
    return reason is not None and reason.startswith(CAPACITY_WORDS)


def _standing(context: RequestContext, table: TargetTable) -> tuple[tuple[int, ...], Reasons]:
    """Filters on words rather than numbers, remembered per combination."""
    device = device_reason(context, table.policy)
    key = (
        context.task, context.modalities, context.tools, context.json, context.privacy, context.residency,
        context.logprobs, context.many_choices, context.dimensions, context.tiers, context.guard_tiers, None if context.fallback else context.pinned, context.offline, device,
    )  # fmt: skip
    found = table.permitted.get(key)
    if found is None:
        reasons = tuple(
            _forbidden(context, target, table.policy, device) or _incapable(target, table.policy)
            for target in table.targets
        )
        found = tuple(i for i, reason in enumerate(reasons) if reason is None), reasons
        if len(table.permitted) >= MEMO_LIMIT:
            table.permitted.clear()
        table.permitted[key] = found
    return found


def _forbidden(context: RequestContext, target: Target, policy: Policy, device: str | None) -> str | None:
    spec = target.spec
    if context.pinned and not context.fallback and spec.name != context.pinned:
        return "pinned: another target was named"
    if not policy.tiers[spec.tier].enabled:
        return f"tier: {spec.tier} is switched off by policy"
    if spec.tier not in context.tiers:
        return f"tier: {spec.tier} is not allowed for this request"
    if context.guard_tiers and spec.tier not in context.guard_tiers:
        return f"guard: kept to {', '.join(context.guard_tiers)}"
    return (
        _privacy(context, spec, policy)
        or _able(context, spec)
        or ("network: offline" if context.offline and spec.tier != "device" else None)
        or (device if spec.tier == "device" else None)
    )


def _privacy(context: RequestContext, spec: TargetSpec, policy: Policy) -> str | None:
    if context.privacy >= RESTRICTED and spec.tier == "cloud":
        return "privacy: restricted never goes to the cloud"
    bound = spec.max_privacy or policy.tiers[spec.tier].max_privacy
    if context.privacy > PRIVACY_LEVELS.index(bound):
        return f"privacy: {PRIVACY_LEVELS[context.privacy]} is above this target's {bound}"
    for group in context.residency:
        if group not in spec.groups and "*" not in spec.groups:
            return f"privacy: residency {group}"
    return None


def _able(context: RequestContext, spec: TargetSpec) -> str | None:
    if context.task not in spec.tasks:
        return f"task: {context.task} is not served"
    missing = [m for m, bit in MODALITY_BITS.items() if context.modalities & bit and m not in spec.modalities]
    if missing:
        return f"modality: {missing[0]} is not supported"
    if context.tools and not spec.tools:
        return "tools: not supported"
    if context.json and not spec.json_output:
        return "json: structured output is not supported"
    return _shaped(context, spec)


def _shaped(context: RequestContext, spec: TargetSpec) -> str | None:
    """Whether the answer can have the form that was asked for."""
    if context.logprobs and not spec.logprobs:
        return "logprobs: not supported"
    if context.many_choices and not spec.many_choices:
        return "choices: one answer at a time"
    if context.dimensions is not None and spec.dimensions and context.dimensions not in spec.dimensions:
        return f"dimensions: {context.dimensions} is not offered"
    return None


def _incapable(target: Target, policy: Policy) -> str | None:
    state = target.state
    if state.health in ("down", "draining"):
        return f"health: {state.health}"
    if state.breaker == "open":
        return "health: breaker open after repeated failures"
    if state.throttled:
        return "busy: throttled, asked to be left alone for a while"
    if state.saturation >= policy.thresholds.saturation:
        return f"busy: saturation {state.saturation:.2f}"
    return None


def device_reason(context: RequestContext, policy: Policy) -> str | None:
    """Why the caller's device should not run a model now, or None."""
    bounds = policy.tiers["device"]
    if context.battery is not None and not context.charging and context.battery < bounds.min_battery:
        return f"device: battery below {bounds.min_battery:.0%} and not charging"
    if context.thermal is not None and THERMALS.index(context.thermal) > THERMALS.index(bounds.max_thermal):
        return f"device: thermal state {context.thermal}"
    if context.cpu_load is not None and context.cpu_load > bounds.max_cpu_load:
        return f"device: CPU load above {bounds.max_cpu_load:.0%}"
    return None


def _numeric(context: RequestContext, table: TargetTable, weighed: Weighed) -> list[Check]:
    """Filters on the request's numbers: context window, deadline, budget, memory. Scalars are asked first,
    because most requests pass them for every target at once."""
    checks: list[Check] = []
    if context.fit_tokens > table.smallest_context:
        small = [i for i, row in enumerate(table.rows) if row.context_tokens < context.fit_tokens]
        checks.append((small, partial(_context_reason, context, table)))
    if context.max_latency_ms is not None:
        late = [i for i, ms in enumerate(weighed.latency_ms) if ms > context.max_latency_ms]
        checks.append((late, partial(_deadline_reason, context, weighed)))
    cap = table.policy.limits.max_cost_usd
    budget = cap if context.max_cost_usd is None else min(cap, context.max_cost_usd)
    if table.dearest_in * context.prompt_tokens + table.dearest_out * context.max_output_tokens > budget:
        worst = [
            row.price_in * context.prompt_tokens + row.price_out * context.max_output_tokens
            for row in table.rows
        ]
        dear = [i for i, usd in enumerate(worst) if usd > budget]
        checks.append((dear, partial(_budget_reason, worst, budget)))
    if context.memory_free_mb is not None and context.memory_free_mb < table.largest_memory:
        checks.append((_short_of_memory(context.memory_free_mb, table), _memory_reason))
    return checks


def _context_reason(context: RequestContext, table: TargetTable, i: int) -> str:
    return f"context: {context.fit_tokens} tokens are above {table.rows[i].context_tokens:.0f}"


def _deadline_reason(context: RequestContext, weighed: Weighed, i: int) -> str:
    return f"deadline: predicted {weighed.latency_ms[i]:.0f} ms is above {context.max_latency_ms:.0f} ms"


def _budget_reason(worst: list[float], budget: float, i: int) -> str:
    return f"budget: up to ${worst[i]:.6f} is above ${budget:.6f}"


def _memory_reason(_: int) -> str:
    return "device: too little free memory for this model"


def _short_of_memory(free_mb: float, table: TargetTable) -> list[int]:
    return [i for i, t in enumerate(table.targets) if t.spec.tier == "device" and t.spec.memory_mb > free_mb]
