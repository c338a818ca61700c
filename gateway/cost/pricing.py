"""Puts prices on a bill and on usage: lines a person can follow, and two totals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Final

from gateway.cost.bill import DATA, HOURS, MAX_BYTES, NODE
from gateway.cost.usage import Assumptions, tokens_usd, used
from router_core.errors import ConfigurationError
from router_core.record import dataclass

_PER_TIME: Final = {"_hour": HOURS, "_month": 1.0, "provisioned_gb_second": HOURS}
"""How often a month holds what a key is priced by; warm memory is billed in GB-seconds per hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """USD by key, for a region, as they were on a date."""

    date: str
    region: str
    source: str
    usd: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`quantity` of what `key` prices, and what it costs in USD a month."""

    key: str
    quantity: float
    usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyCost:
    """`idle` is paid without a single request, `usage` for `requests` of them. `unpriced` keys were left out."""

    idle: tuple[Line, ...]
    usage: tuple[Line, ...]
    requests: float
    prices: Prices
    unpriced: tuple[str, ...] = field(default=())

    @property
    def idle_usd(self) -> float:
        return sum(line.usd for line in self.idle)

    @property
    def usage_usd(self) -> float:
        return sum(line.usd for line in self.usage)

    nodes: tuple[Line, ...] = field(default=())
    """What one running node of each kind on the bill would add."""

    @property
    def per_million_usd(self) -> float:
        """Of usage alone; 0 when nothing was asked."""
        return self.usage_usd / self.requests * 1e6 if self.requests else 0.0


def load_prices(file: Path | None = None) -> Prices:
    """The packaged prices, or a file of the same form. Raises `ConfigurationError`."""
    chosen = file or DATA / "prices.json"
    try:
        content = chosen.read_bytes()
        document = json.loads(content[:MAX_BYTES])
        usd = {str(key): float(value) for key, value in document["prices"].items()}
        made = Prices(
            date=str(document["date"]),
            region=str(document["region"]),
            source=str(document["source"]),
            usd=usd,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{chosen} is no price file: {type(error).__name__}") from error
    if any(not 0.0 <= value < 1e6 for value in usd.values()):
        raise ConfigurationError(f"{chosen} holds a price that cannot be")
    return made


def monthly(bill: Mapping[str, float], one: Assumptions, requests: float, prices: Prices) -> MonthlyCost:
    """The whole account of a month."""
    fixed = {**bill, "cloudwatch.metric_month": float(one.metrics)}
    idle, missing = _lines(fixed.items(), prices)
    usage, also_missing = _lines(used(one, requests), prices)
    nodes, _ = _lines(((key, 1.0) for key in bill if key.startswith(NODE)), prices)
    tokens = Line(key="bedrock.tokens", quantity=requests * one.cloud_share, usd=tokens_usd(one, requests))
    return MonthlyCost(
        idle=idle,
        usage=(*usage, tokens),
        requests=requests,
        nodes=nodes,
        prices=prices,
        unpriced=tuple(sorted({*missing, *also_missing})),
    )


def _lines(quantities: Iterable[tuple[str, float]], prices: Prices) -> tuple[tuple[Line, ...], list[str]]:
    made, missing = [], []
    for key, quantity in quantities:
        price = prices.usd.get(key)
        if price is None:
            missing.append(key)
        elif quantity:
            made.append(Line(key=key, quantity=quantity, usd=quantity * price * _months_worth(key)))
    return tuple(sorted(made, key=lambda line: -line.usd)), missing


def _months_worth(key: str) -> float:
    name = key.partition("/")[0].partition(".")[2]
    if name.endswith("gb_month"):
        return 1.0
    return next((times for ending, times in _PER_TIME.items() if name.endswith(ending)), 1.0)
