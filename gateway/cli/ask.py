"""`tierwise ask`: one request to a running gateway; the answer on stdout, who gave it and why on stderr."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from gateway.cli.client import Client, GatewayError, client_from
from gateway.cli.output import note, print_json
from gateway.cli.request import body_of


def run(options: argparse.Namespace) -> int:
    """Ask, print, 0. Raises `GatewayError` for a refusal or no gateway."""
    client = client_from(options.url, os.environ)
    body = body_of(options)
    if options.stream:
        return _stream(client, {**body, "stream": True}, as_json=options.json)
    answer = client.call("POST", "/inference", body)
    if options.json:
        print_json(answer)
        return 0
    output = answer.get("output") or {}
    print(output.get("text") or "")
    note(summary(answer))
    return 0


def summary(answer: dict[str, Any]) -> str:
    """One line about who answered: target, time, cost, reason."""
    routing, timings = answer["routing"], answer.get("timings") or {}
    mark = " (stand-in)" if routing.get("emulated") else ""
    return (
        f"-- {routing['target']}{mark}, {timings.get('total_ms', 0.0):.0f} ms, ${answer.get('cost_usd') or 0.0:.6f}, "
        f"id {answer['request_id']}\n-- {routing['reason']}"
    )


def _stream(client: Client, body: dict[str, Any], *, as_json: bool) -> int:
    for event, data in client.events("/inference", body):
        if as_json:
            print_json({"event": event, "data": data})
        elif event == "delta":
            sys.stdout.write(str(data.get("text", "")))
            sys.stdout.flush()
        elif event == "handoff":
            note(f"\n-- {data['from']} failed, {data['to']} goes on")
        elif event == "done":
            print()
            note(summary(data))
        if event == "error":
            raise GatewayError(str(data.get("detail", "the stream failed")), problem=data)
    return 0
