"""Everything `decide()` knows about one request: flat, small, and enough to replay the decision.

Made by the context agent from the request, its signals and the session's history. It holds no prompt text,
so it can be logged as the `features` of the decision record and read back to the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from router_core.record import dataclass

TEXT, IMAGE, AUDIO = 1, 2, 4
MODALITY_BITS: Final[Mapping[str, int]] = {"text": TEXT, "image": IMAGE, "audio": AUDIO}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """Features of one request. `output_tokens` is the expected length, `max_output_tokens` the cap that bounds the
    cost, `fit_tokens` what must fit a target's context window. Unknown numbers are None; `privacy` is a rank (0 public .. 3 restricted);
    `modalities` a bit set (text 1, image 2, audio 4); `residency` every region group that must hold;
    `position` a unit vector (x, y, z) on the globe, rounded to 1e-6; `guard_cues` what spoke for an injection,
    `guard_rules` the policy's rules that fired and `guard_tiers` where they keep the request (none: anywhere); `consulted` the services outside that were shown
    the request before the decision (`text`, `documents`), `upset` how sure one is that the writer
    is; `foreseen` the learned chances of a good answer on device, edge and cloud and the doubt about them, rounded; `adopted` those of
    targets that have a chance of their own."""

    request_id: str
    tenant: str
    task: str
    request_class: str
    complexity: float
    prompt_tokens: int
    output_tokens: int
    max_output_tokens: int
    fit_tokens: int
    language: str = "und"
    modalities: int = TEXT
    tools: bool = False
    json: bool = False
    logprobs: bool = False
    many_choices: bool = False
    dimensions: int | None = None
    stream: bool = False
    privacy: int = 1
    residency: tuple[str, ...] = ()
    pii: tuple[str, ...] = ()
    guard: float = 0.0
    guard_cues: tuple[str, ...] = ()
    guard_rules: tuple[str, ...] = ()
    guard_tiers: tuple[str, ...] = ()
    consulted: tuple[str, ...] = ()
    upset: float = 0.0
    foreseen: tuple[float, ...] = ()
    adopted: tuple[tuple[str, float], ...] = ()
    optimize: str = "balanced"
    tiers: tuple[str, ...] = ("device", "mec", "cloud")
    pinned: str | None = None
    fallback: bool = True
    max_latency_ms: float | None = None
    max_cost_usd: float | None = None
    min_quality: float | None = None
    offline: bool = False
    executes: bool = False
    device_models: tuple[str, ...] = ()
    battery: float | None = None
    charging: bool = False
    thermal: str | None = None
    memory_free_mb: float | None = None
    cpu_load: float | None = None
    rtt_ms: float | None = None
    position: tuple[float, float, float] | None = None
    turns: int = 1
    session_target: str | None = None
    prefix_target: str | None = None

    def features(self) -> dict[str, Any]:
        """The fields that differ from their defaults, as JSON-ready values."""
        return {
            name: value
            for name, value, default in zip(_NAMES, _VALUES(self), _DEFAULTS, strict=True)
            if value != default
        }

    @classmethod
    def from_features(cls, features: Mapping[str, Any]) -> RequestContext:
        """Rebuild from `features()` after a trip through JSON."""
        values: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in features.items()
        }
        if "adopted" in values:
            values["adopted"] = tuple((name, chance) for name, chance in values["adopted"])
        return cls(**values)


_NAMES: Final = tuple(f.name for f in fields(RequestContext))
_DEFAULTS: Final = tuple(f.default for f in fields(RequestContext))
_VALUES: Final = attrgetter(*_NAMES)
