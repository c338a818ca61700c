"""`tierwise policy proposals`: what agents propose to a running gateway, and a person's word on it.

Asks the gateway (TIERWISE_URL, TIERWISE_KEY of an operator), because that is where proposals are kept. What is accepted is
tried as a canary where the gateway's policy is in Parameter Store; else `--out` takes the document, to be put in place by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from gateway.cli.client import Client, client_from
from gateway.cli.output import note, print_json, print_table
from router_core.errors import ConfigurationError

PATH: Final = "/admin/policy/proposals"
_ID: Final = re.compile(r"prop_[0-9a-f]{16}")


def run(options: argparse.Namespace) -> int:
    """The status. Raises `TierwiseError`."""
    client = client_from(options.url, os.environ)
    if options.verb == "list":
        return _list(client, as_json=options.json)
    if not _ID.fullmatch(options.id):
        raise ConfigurationError("a proposal's id looks like prop_0123456789abcdef")
    if options.verb == "show":
        return _told(client.call("GET", f"{PATH}/{options.id}"), options)
    return _told(client.call("POST", f"{PATH}/{options.id}/{options.verb}", {"why": options.why}), options)


def _list(client: Client, *, as_json: bool) -> int:
    found = client.call("GET", PATH)
    if as_json:
        print_json(found)
    elif not found["proposals"]:
        print("no proposals")
    else:
        rows = [
            (one["id"], _when(one["created"]), one["state"], one["verdict"], _changes(one), one["why"])
            for one in found["proposals"]
        ]
        print_table(("id", "when", "state", "evidence", "changes", "why"), rows)
    return 0


def _told(found: Mapping[str, Any], options: argparse.Namespace) -> int:
    """One proposal; its document goes to the file that `--out` names."""
    out = getattr(options, "out", None)
    if out is not None:
        Path(out).write_text(json.dumps(found["document"], indent=2, ensure_ascii=False) + "\n", "utf-8")
    if options.json:
        print_json(dict(found))
        return 0
    print(
        f"{found['id']}: {found['state']}; proposed by {found['by']} {_when(found['created'])}: {found['why']}"
    )
    if found["decided_by"] is not None:
        print(f"decided by {found['decided_by']}: {found['reason']}")
    print_table(
        ("key", f"before: {found['base']}", "after"),
        [(one["key"], one["before"], one["after"]) for one in found["changes"]],
    )
    evidence = found["evidence"]
    why = "" if evidence is None else f": {evidence['why']}"
    print(f"evidence: {found['verdict']}{why}")
    if found["state"] == "accepted" and out is None:
        note("this gateway's policy is a file: save the document with `proposals show ID --out FILE`")
    return 0


def _changes(one: Mapping[str, Any]) -> str:
    return ", ".join(f"{each['key']} {each['before']:g} -> {each['after']:g}" for each in one["changes"])


def _when(created_s: float) -> str:
    return datetime.fromtimestamp(created_s, UTC).isoformat(timespec="minutes")
