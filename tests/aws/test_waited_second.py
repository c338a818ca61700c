"""One request through the real express definition on the second emulator, which has `StartSyncExecution` of its own.

Its functions are the product's asset, one per stage; packages come from this interpreter's environment. It names every
error of a function alike, so fallbacks are shown on the first local AWS and by the parity suite's walker instead.
"""

from __future__ import annotations

import json
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.hosts.by_workflow import WorkflowAnswers
from infra.bundle import bundle
from infra.constructs.workflow import text
from router_core.adapters.aws.client import aws_client
from router_core.adapters.aws.step_functions import ExpressStepFunctions
from router_core.deployment import STAGE, SYNC_MACHINE, resource_name
from router_core.errors import LostError, StoreError
from router_core.inference import Caller, InferenceRequest
from router_core.stages import NAMES
from tests.localaws import address
from tests.parity.cases import TARGETS
from tests.parity.site import POLICY, MemoryBlobs, environment
from tests.upstream.server import FaultServer

ROLE = f"arn:aws:iam::{address.ACCOUNT}:role/any"


@pytest.fixture
def machine(emulator: str, tmp_path: Path) -> Iterator[str]:
    """The express machine over the stages, deployed by hand: this emulator knows too few types for the stacks."""
    functions, states = address.client("lambda", emulator), address.client("stepfunctions", emulator)
    code = bundle("sources").path.read_bytes()
    with FaultServer(length=6) as server:
        known = environment(dict.fromkeys(TARGETS, server.url), tmp_path)
        patient = {**POLICY, "limits": {"deadline_ms": 60_000}}  # each of its functions begins cold
        (tmp_path / "policy.json").write_text(json.dumps(patient))
        known |= {"PYTHONPATH": sysconfig.get_paths()["purelib"]}
        arns = {
            stage: functions.create_function(
                FunctionName=resource_name("dev", stage),
                Runtime="python3.11",
                Role=ROLE,
                Handler="gateway.hosts.aws_lambda.handler",
                Code={"ZipFile": code},
                Timeout=60,
                Environment={"Variables": {**known, STAGE: stage}},
            )["FunctionArn"]
            for stage in NAMES
        }
        yield states.create_state_machine(
            name=resource_name("dev", SYNC_MACHINE),
            definition=text(arns, waited=True),
            roleArn=ROLE,
            type="EXPRESS",
        )["stateMachineArn"]


def request(**more: Any) -> InferenceRequest:
    return InferenceRequest(
        request_id="req_waited",
        received_s=0.0,
        caller=Caller(tenant="acme", key_id="phone"),
        messages=({"role": "user", "content": "what is the capital of France"},),
        **more,
    )


async def test_the_real_definition_answers_who_waits(
    emulator: str, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in address.environment(emulator).items():
        monkeypatch.setenv(name, value)
    runner = ExpressStepFunctions(aws_client("stepfunctions", read_s=60.0), machine)
    response = await WorkflowAnswers(Unused(), runner, MemoryBlobs()).answer(request())
    assert response.status == "completed"
    assert response.output is not None
    assert response.output.first.text
    assert response.served.target == response.decision.target
    assert response.timings.total_ms >= response.timings.execution_ms > 0.0

    with pytest.raises(StoreError, match="does not exist"):
        await ExpressStepFunctions(aws_client("stepfunctions"), machine + "-gone").run("a", "{}")
    with pytest.raises(LostError):
        await runner.run("b", json.dumps({"request": {"nonsense": True}}))


class Unused:
    """What needs no stage; nothing here asks it."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is not asked")
