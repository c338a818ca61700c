"""Asks a running gateway where four requests would go, and why, without sending them on.

Standard library only. Set TIERWISE_URL and TIERWISE_KEY as `tierwise serve` printed them.
"""

from __future__ import annotations

import http.client
import json
import os
from typing import Any
from urllib.parse import urlsplit

URL = os.environ.get("TIERWISE_URL", "http://127.0.0.1:8080")
REQUESTS: dict[str, dict[str, Any]] = {
    "a command": {"input": "turn off the kitchen lights"},
    "the same, battery low": {"input": "turn off the kitchen lights", "device": {"battery": 0.05}},
    "residency": {"input": "Summarize our customer feedback", "privacy": {"residency": "eu"}},
    "cheap": {"input": "Write a short poem about the sea", "preferences": {"optimize": "cost"}},
}


def explain(body: dict[str, Any]) -> dict[str, Any]:
    """The routing block of the decision."""
    gateway = urlsplit(URL)
    connection = http.client.HTTPConnection(gateway.hostname or "", gateway.port, timeout=10)
    headers = {"content-type": "application/json", "authorization": f"Bearer {os.environ['TIERWISE_KEY']}"}
    connection.request("POST", "/explain", json.dumps(body), headers)
    answer = json.load(connection.getresponse())
    connection.close()
    routing: dict[str, Any] = answer["routing"]
    return routing


def main() -> None:
    """Print a line for each request."""
    for name, body in REQUESTS.items():
        print(f"{name:24} -> {explain(body)['reason']}")


if __name__ == "__main__":
    main()
