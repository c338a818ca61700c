"""`tierwise aws cost`: the monthly price of what the templates hold, idle and per million requests."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from gateway.cli.output import print_json, print_table
from gateway.cost.bill import bill_of_folder, packaged_bill
from gateway.cost.pricing import Line, MonthlyCost, load_prices, monthly
from gateway.cost.usage import Assumptions
from router_core.adapters.data_files import find_model, load_data
from router_core.errors import ConfigurationError


def run(options: argparse.Namespace) -> int:
    """Print the account. Raises `ConfigurationError` for files and models that are not known."""
    bill = bill_of_folder(Path(options.templates)) if options.templates else packaged_bill(options.env)
    prices = load_prices(Path(options.prices) if options.prices else None)
    one = _assumptions(options)
    cost = monthly(bill, one, options.requests, prices)
    if options.json:
        print_json(_document(options.env, cost, one))
        return 0
    _tables(options.env, cost)
    return 0


def _assumptions(options: argparse.Namespace) -> Assumptions:
    entry = find_model(load_data(), options.model, "bedrock")
    if entry is None:
        raise ConfigurationError(
            f"no price is known for model {options.model}; `tierwise models list` shows all"
        )
    return Assumptions(
        mode=options.mode,
        seconds=options.seconds,
        memory_gb=options.memory_mb / 1024.0,
        cloud_share=options.cloud_share,
        prompt_tokens=round(options.prompt_tokens),
        output_tokens=round(options.output_tokens),
        price_in=entry["price_in"],
        price_out=entry["price_out"],
    )


def _document(env: str, cost: MonthlyCost, one: Assumptions) -> dict[str, object]:
    return {
        "env": env,
        "requests": cost.requests,
        "idle_usd": round(cost.idle_usd, 2),
        "usage_usd": round(cost.usage_usd, 2),
        "per_million_usd": round(cost.per_million_usd, 2),
        "total_usd": round(cost.idle_usd + cost.usage_usd, 2),
        "idle": [asdict(line) for line in cost.idle],
        "usage": [asdict(line) for line in cost.usage],
        "node": [asdict(line) for line in cost.nodes],
        "unpriced": list(cost.unpriced),
        "assumptions": asdict(one),
        "prices": {"date": cost.prices.date, "region": cost.prices.region, "source": cost.prices.source},
    }


def _tables(env: str, cost: MonthlyCost) -> None:
    columns = ("what", "quantity", "USD a month")
    print_table(columns, _rows(cost.idle), title=f"{env}, without a single request")
    print_table(columns, _rows(cost.usage), title=f"{cost.requests:,.0f} requests")
    print_table(
        ("", "USD a month"),
        [
            ("idle", f"{cost.idle_usd:,.2f}"),
            ("requests", f"{cost.usage_usd:,.2f}"),
            ("together", f"{cost.idle_usd + cost.usage_usd:,.2f}"),
            ("each further million", f"{cost.per_million_usd:,.2f}"),
            *(
                (f"each running node ({line.key.rpartition('/')[2]})", f"{line.usd:,.2f}")
                for line in cost.nodes
            ),
        ],
        title=f"list prices of {cost.prices.region} on {cost.prices.date}; assumptions: --help, --json",
    )
    if cost.unpriced:
        print_table(("no price known, left out",), [(key,) for key in cost.unpriced])


def _rows(lines: tuple[Line, ...]) -> list[tuple[str, str, str]]:
    return [(line.key, f"{line.quantity:,.2f}", f"{line.usd:,.2f}") for line in lines]
