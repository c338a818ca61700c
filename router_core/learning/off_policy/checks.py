"""Whether a replayed choice breaks what nobody may break: written apart from the filters, so that it can disagree with them.

`decide()` filters before it chooses, so the count must be 0; a count that is not means a fault in the filters, and a
policy is never put in force on top of one.
"""

from __future__ import annotations

from router_core.context import MODALITY_BITS, RequestContext
from router_core.inference import PRIVACY_LEVELS
from router_core.resources import Target, TargetSpec


def violation(context: RequestContext, target: Target, latency_ms: float, cap_usd: float) -> str | None:
    """The first demand of the request, or of the target, that choosing `target` breaks. `latency_ms` is what was predicted;
    `cap_usd` the policy's own bound on the cost of a request."""
    spec, state = target.spec, target.state
    if state.health in ("down", "draining") or state.breaker == "open" or state.throttled:
        return "health"
    return _place(context, spec) or _form(context, spec) or _numbers(context, spec, latency_ms, cap_usd)


def _place(context: RequestContext, spec: TargetSpec) -> str | None:
    """Where the request may go at all."""
    if context.privacy >= PRIVACY_LEVELS.index("restricted") and spec.tier == "cloud":
        return "restricted"
    if spec.max_privacy is not None and PRIVACY_LEVELS.index(spec.max_privacy) < context.privacy:
        return "privacy"
    if not {"*"} & set(spec.groups) and not set(context.residency) <= set(spec.groups):
        return "residency"
    if spec.tier not in context.tiers or (context.offline and spec.tier != "device"):
        return "tier"
    if context.pinned is not None and not context.fallback and spec.name != context.pinned:
        return "pinned"
    return None


def _form(context: RequestContext, spec: TargetSpec) -> str | None:
    """What the target must be able to do."""
    wanted = {name for name, bit in MODALITY_BITS.items() if bit & context.modalities}
    able = (
        context.task in spec.tasks
        and wanted <= set(spec.modalities)
        and (spec.tools or not context.tools)
        and (spec.json_output or not context.json)
        and context.fit_tokens <= spec.context_tokens
    )
    return None if able else "ability"


def _numbers(context: RequestContext, spec: TargetSpec, latency_ms: float, cap_usd: float) -> str | None:
    """Deadline and budget; a hair of room, because these sums are taken in another order than the router's."""
    if context.max_latency_ms is not None and latency_ms > context.max_latency_ms * (1.0 + 1e-9):
        return "deadline"
    budget = cap_usd if context.max_cost_usd is None else min(cap_usd, context.max_cost_usd)
    worst = spec.cost_usd(context.prompt_tokens, context.max_output_tokens)
    return "budget" if worst > budget * (1.0 + 1e-9) else None
