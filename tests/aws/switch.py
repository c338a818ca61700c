"""The environment's switch by hand: who answers whoever waits is one variable of the `api` function."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from router_core.deployment import SYNC_MACHINE, SYNC_WORKFLOW_ARN, resource_name
from tests.localaws import address
from tests.localaws.site import Site


@contextmanager
def answered_by_stages(site: Site) -> Iterator[str]:
    """While the block runs, the door waits for the express machine, whose address it yields. A deployment with
    `workflow="state-machine"` sets the same variable; this one goes back without a deployment."""
    functions, name = site.client("lambda"), resource_name("dev", "api")
    machine = (
        f"arn:aws:states:{address.REGION}:{address.ACCOUNT}:stateMachine:{resource_name('dev', SYNC_MACHINE)}"
    )
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    _publish(functions, name, {**before, SYNC_WORKFLOW_ARN: machine})
    try:
        yield machine
    finally:
        _publish(functions, name, before)


def _publish(functions: Any, name: str, variables: dict[str, str]) -> None:
    """The variables in a new version, which the live alias then means."""
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    version = functions.publish_version(FunctionName=name)["Version"]
    functions.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
