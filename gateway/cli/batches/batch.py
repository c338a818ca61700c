"""`tierwise batch`: makes batches on a running gateway, says how far they are, and fetches their results."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from gateway.cli.batches.transfer import download, refused, upload
from gateway.cli.client import Client, client_from
from gateway.cli.output import FAILED, note, print_json, print_table

OVER: Final = ("completed", "failed", "expired", "cancelled")
_EVERY_S: Final = 0.5
Batch = dict[str, Any]


def run(options: argparse.Namespace) -> int:
    """Raises `GatewayError` or OSError."""
    actions: Mapping[str, Callable[[Client, argparse.Namespace], int]] = {
        "submit": _submit,
        "status": _status,
        "list": _list,
        "cancel": _cancel,
        "results": _results,
    }
    return actions[options.action](client_from(options.url, os.environ), options)


def _submit(client: Client, options: argparse.Namespace) -> int:
    file = upload(client, Path(options.file))
    wishes = {"max_cost_usd": options.max_cost_usd, "window_s": options.window_s}
    wishes = {name: value for name, value in wishes.items() if value is not None}
    body: dict[str, Any] = {
        "input_file_id": file["id"],
        "endpoint": options.endpoint,
        "completion_window": "24h",
    }
    batch = _call(client, "POST", "/v1/batches", body | ({"tierwise": wishes} if wishes else {}))
    return _shown(client, batch, options)


def _status(client: Client, options: argparse.Namespace) -> int:
    return _shown(client, _call(client, "GET", f"/v1/batches/{options.id}"), options)


def _cancel(client: Client, options: argparse.Namespace) -> int:
    _tell(_call(client, "POST", f"/v1/batches/{options.id}/cancel"), as_json=options.json)
    return 0


def _list(client: Client, options: argparse.Namespace) -> int:
    found = _call(client, "GET", f"/v1/batches?limit={options.limit}")
    if options.json:
        print_json(found)
        return 0
    columns = ("batch", "status", "lines", "done", "failed", "cost", "endpoint")
    rows = [
        (
            one["id"],
            one["status"],
            *(one["request_counts"][name] for name in ("total", "completed", "failed")),
            f"${one['tierwise']['cost_usd']:.6f}",
            one["endpoint"],
        )
        for one in found["data"]
    ]
    print_table(columns, rows)
    return 0


def _results(client: Client, options: argparse.Namespace) -> int:
    batch = _call(client, "GET", f"/v1/batches/{options.id}")
    file_id = batch["error_file_id" if options.errors else "output_file_id"]
    if file_id is None:
        note(f"this batch is {batch['status']} and has no such file")
        return FAILED
    if options.out is None:
        download(client, file_id, sys.stdout.buffer)
        sys.stdout.flush()
        return 0
    with Path(options.out).open("wb") as out:
        download(client, file_id, out)
    return 0


def _shown(client: Client, batch: Batch, options: argparse.Namespace) -> int:
    """Tell how it is; with `--wait`, once it is over. 1 for one that failed."""
    if options.wait:
        batch = _waited(client, batch)
    _tell(batch, as_json=options.json)
    return FAILED if batch["status"] == "failed" else 0


def _waited(client: Client, batch: Batch) -> Batch:
    """Look until it is over; a bar on a terminal shows how far it is."""
    if not sys.stderr.isatty():
        while batch["status"] not in OVER:
            time.sleep(_EVERY_S)
            batch = _call(client, "GET", f"/v1/batches/{batch['id']}")
        return batch
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(batch["status"], total=None)
        while batch["status"] not in OVER:
            time.sleep(_EVERY_S)
            batch = _call(client, "GET", f"/v1/batches/{batch['id']}")
            counts = batch["request_counts"]
            done = counts["completed"] + counts["failed"]
            bar.update(task, description=batch["status"], total=counts["total"], completed=done)
    return batch


def _tell(batch: Batch, *, as_json: bool) -> None:
    if as_json:
        print_json(batch)
        return
    counts, money = batch["request_counts"], batch["tierwise"]
    print(
        f"{batch['id']} {batch['status']}: {counts['completed']} of {counts['total']} answered, {counts['failed']} failed, "
        f"${money['cost_usd']:.6f} (estimate ${money['estimate_usd']:.6f})"
    )
    for error in (batch["errors"] or {"data": ()})["data"]:
        note(f"line {error['line']}: {error['message']}")


def _call(client: Client, method: str, path: str, body: Mapping[str, Any] | None = None) -> Batch:
    """The decoded answer. Raises `GatewayError` with what OpenAI's error body says."""
    answered = client.ask(method, path, body)
    if answered.status != 200:
        raise refused(answered.status, json.dumps(answered.body).encode())
    found: Batch = answered.body
    return found
