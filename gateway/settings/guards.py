"""Guards outside that the policy's rules may name: the `[[guards]]` of the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.settings.rules import bounded, matching, one_of
from gateway.settings.secrets import SecretRef
from router_core.errors import ConfigurationError
from router_core.inference import PRIVACY_LEVELS, TIERS

BEDROCK, MODERATION, LLAMA_GUARD = "bedrock", "moderation", "llama-guard"
GUARD_KINDS: Final = (BEDROCK, MODERATION, LLAMA_GUARD)
_NAME: Final = r"[a-z0-9][a-z0-9._-]{0,63}"
VERSION: Final = r"DRAFT|[1-9][0-9]{0,7}"
_REGION: Final = r"[A-Za-z]{2}|[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}"
GUARDRAIL: Final = r"[a-z0-9]{1,64}|arn:aws[a-z-]*:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]{1,64}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """One guard. `bedrock` has a `guardrail` and its `version`; the others a `base_url` and a `model`. A guard is shown only
    what a target of its `tier` and `region` might be, and nothing above its `max_privacy`."""

    name: str = matching("", _NAME, "lower-case letters, digits and . _ -")
    kind: str = one_of(MODERATION, GUARD_KINDS)
    guardrail: str | None = matching(None, GUARDRAIL, "the id or the ARN of a guardrail")
    version: str = matching("DRAFT", VERSION, "DRAFT or a number")
    endpoint_url: str | None = None
    base_url: str | None = None
    model: str = matching("omni-moderation-latest", r"[!-~]{1,256}", "a model id")
    api_key: SecretRef | None = None
    tier: str = one_of("cloud", TIERS)
    region: str | None = matching(None, _REGION, "an AWS region or a two-letter country")
    max_privacy: str | None = one_of(None, PRIVACY_LEVELS)
    timeout_ms: float = bounded(2000.0, 10.0, 30_000.0)


def check_guards(guards: Sequence[GuardSettings]) -> None:
    """Rules that join keys. Raises `ConfigurationError`."""
    for i, guard in enumerate(guards):
        _check_guard(guard, f"settings: guards[{i}]")
    names = [guard.name for guard in guards]
    if len(set(names)) < len(names):
        raise ConfigurationError("settings: guards: a name is there twice")


def _check_guard(guard: GuardSettings, path: str) -> None:
    bedrock = guard.kind == BEDROCK
    needed = ("name", "guardrail", "region") if bedrock else ("name", "base_url")
    foreign = ("base_url", "api_key") if bedrock else ("guardrail", "endpoint_url")
    for key in needed:
        if not getattr(guard, key):
            raise ConfigurationError(f"{path}.{key} is missing")
    for key in foreign:
        if getattr(guard, key) is not None:
            raise ConfigurationError(f"{path}.{key} does not belong to kind {guard.kind}")
    if bedrock and guard.tier != "cloud":
        raise ConfigurationError(f"{path}.tier: a guardrail is in the cloud")
