"""The second local AWS, MiniStack, for what moto leaves out: alarms that act, schedules that fire, items that expire.

It runs from a virtual environment of its own (`make aws-test` makes it) and knows fewer CloudFormation types, so a
template is reduced to the types that a test is about before it is deployed there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.localaws import address
from tests.localaws.loopback import ask
from tests.localaws.processes import READY_S, ROOT, NotStartedError, free_port, guarded, running

PYTHON: Final = ROOT / ".venv-ministack" / "bin" / "python"
_POLL_S: Final = 0.05


@contextmanager
def running_ministack() -> Iterator[str]:
    """Yields the endpoint. Raises NotStartedError."""
    port = free_port()
    variables = {
        **address.environment(address.endpoint(port)),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": address.HOST,
        "MINISTACK_HOST": address.HOST,
        "MINISTACK_ACCOUNT_ID": address.ACCOUNT,
        "MINISTACK_REGION": address.REGION,
        "LAMBDA_EXECUTOR": "local",
    }
    program = PYTHON.with_name("ministack")
    with running(guarded(f"{PYTHON} {program}"), variables):
        url = address.endpoint(port)
        _wait_for(f"{url}/_ministack/health")
        yield url


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            ask("GET", url, timeout_s=2)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise NotStartedError(f"{url} does not answer") from None
            time.sleep(_POLL_S)


def reduced(template: Path, keep: Callable[[str, dict[str, Any]], bool]) -> dict[str, Any]:
    """The template with those resources that `keep` wants by logical name and body, and no outputs or rules."""
    document: dict[str, Any] = json.loads(template.read_text())
    kept = {name: body for name, body in document["Resources"].items() if keep(name, body)}
    for body in kept.values():
        wanted = body.get("DependsOn", [])
        body["DependsOn"] = [
            name for name in ([wanted] if isinstance(wanted, str) else wanted) if name in kept
        ]
    return {"Resources": kept}


def create(url: str, name: str, template: dict[str, Any]) -> None:
    """Deploy `template` and wait for its end. Raises AssertionError when it failed."""
    cloudformation = address.client("cloudformation", url)
    cloudformation.create_stack(
        StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    deadline = time.monotonic() + READY_S
    while (status := cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]).endswith(
        "IN_PROGRESS"
    ):
        assert time.monotonic() < deadline, f"{name}: still {status}"
        time.sleep(_POLL_S)
    assert status == "CREATE_COMPLETE", f"{name}: {status}"
