"""`tierwise aws prices`: today's prices of Bedrock's models in a region, as an own dated data file for `data.models`.

Beside the request path by design: a file that a person has seen is what the router counts with. Models whose price is
not found as exactly one keep the one they had, and are named; a price that jumps is not taken over without `--accept`.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from gateway.cli.output import note, print_json, print_table
from router_core.adapters.aws.client import aws_client
from router_core.adapters.aws.price_list import REGION, PriceList, TokenPrice
from router_core.adapters.data_files import PACKAGED, load_data
from router_core.errors import StoreError

JUMP: Final = 4.0
"""A price that is so many times more or less than before is more likely another product's."""


def run(options: argparse.Namespace) -> int:
    """1 when any price was not taken over. Raises `ConfigurationError`, `OSError`."""
    prices = PriceList(aws_client("pricing", region=REGION))
    document = json.loads((PACKAGED / "models.json").read_text(encoding="utf-8"))
    rows, refused = [], 0
    for entry in document["models"]:
        if "price_list" not in entry:
            continue
        before = TokenPrice(price_in=entry["price_in"], price_out=entry["price_out"])
        taken, why = _taken(prices, entry, options.region, accept=options.accept)
        refused += taken is None
        if taken is not None:
            entry |= {"price_in": taken.price_in, "price_out": taken.price_out, "source": "price-list"}
        rows.append({"model": entry["name"], "before": _pair(before), "now": _pair(taken), "why": why})
    today = datetime.now(UTC).date().isoformat()
    document["date"] = today
    document["sources"]["price-list"] = {
        "date": today,
        "title": f"AWS Price List API, AmazonBedrock, on-demand, {options.region}",
        "covers": "prices; everything else as before",
    }
    _write(Path(options.out), document)
    _show(options, rows)
    return 1 if refused else 0


def _taken(
    prices: PriceList, entry: dict[str, Any], region: str, *, accept: bool
) -> tuple[TokenPrice | None, str]:
    try:
        found = prices.price(entry["price_list"], region)
    except StoreError as error:
        return None, str(error)
    pairs = ((found.price_in, entry["price_in"]), (found.price_out, entry["price_out"]))
    if not accept and any(not old / JUMP <= new <= old * JUMP for new, old in pairs):
        return None, f"{found.price_in:g}/{found.price_out:g} is far from before; --accept takes it"
    return found, ""


def _write(out: Path, document: dict[str, Any]) -> None:
    """Whole or not at all, and only what the router itself would read."""
    partial = out.with_name(out.name + ".partial")
    partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    load_data(models=partial)
    partial.replace(out)


def _show(options: argparse.Namespace, rows: list[dict[str, str]]) -> None:
    if options.json:
        print_json({"region": options.region, "file": options.out, "models": rows})
        return
    columns = ("model", "before (USD in/out per Mtok)", "now", "not taken over because")
    print_table(columns, [tuple(row.values()) for row in rows])
    note(f"written to {options.out}; name it in the settings: [data] models = ...")


def _pair(price: TokenPrice | None) -> str:
    return "" if price is None else f"{price.price_in:g}/{price.price_out:g}"
