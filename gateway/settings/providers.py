"""Providers that callers bring their own keys for: a part `[[providers]]` of the settings for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.settings.rules import bounded, matching, one_of
from router_core.inference import PRIVACY_LEVELS

PROVIDERS: Final = ("openai", "google")
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_MODEL: Final = r"[!-~]{1,256}"
_REGION: Final = r"[A-Za-z]{2}|[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}"
_URL: Final = r"https?://[!-~]{1,500}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """One provider's model, chosen as target `byok/NAME` by who sends a key for it. `kind` is the protocol it speaks. It is a
    cloud target: what is not known of its `region` is not permitted, and `max_privacy` bounds what it may see. Prices are
    USD per million tokens and only tell what the caller will be billed. `key_ttl_s`: how long a key may wait with an
    asynchronous request."""

    name: str = matching("", _NAME, "letters, digits and . _ -")
    kind: str = one_of("openai", PROVIDERS)
    base_url: str | None = matching(None, _URL, "an http(s) URL")
    model: str = matching("", _MODEL, "a model id")
    region: str | None = matching(None, _REGION, "an AWS region or a two-letter country")
    max_privacy: str = one_of("internal", PRIVACY_LEVELS)
    price_in: float = bounded(0.0, 0.0, 100_000.0)
    price_out: float = bounded(0.0, 0.0, 100_000.0)
    context_tokens: int = bounded(128_000, 1, 100_000_000)
    max_output_tokens: int = bounded(8_192, 1, 10_000_000)
    timeout_s: float = bounded(60.0, 0.1, 3600.0)
    key_ttl_s: float = bounded(3600.0, 1.0, 86_400.0)
