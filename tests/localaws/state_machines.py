"""What moto's state machines do otherwise than Step Functions, or not at all, and what our workflow is made of.

An error of Lambda itself is named `Lambda.TooManyRequestsException` and the like: a Retry lists those names. And a Catch
may lead back to its own state, which is how the next leg of a request runs; moto takes that for "not caught". And an
express machine may be waited for: moto has no `StartSyncExecution`, so it is a run like any other, looked at until its end.
"""

from __future__ import annotations

import json
import time
from typing import Any, Final

from botocore.exceptions import ClientError
from moto.core.exceptions import AWSError
from moto.core.responses import ActionResult
from moto.stepfunctions.parser.asl.component.common.catch.catcher_decl import CatcherDecl
from moto.stepfunctions.parser.asl.component.common.catch.catcher_outcome import CatcherOutcomeCaught
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.state.exec.state_task.state_task_lambda import StateTaskLambda
from moto.stepfunctions.parser.asl.component.state.state import CommonStateField
from moto.stepfunctions.responses import StepFunctionResponse

from tests.localaws.replacing import replace

_LOOK_S: Final = 0.005
"""Between two looks at a run that somebody waits for: added to its time, half of it on average."""


def install() -> None:
    """From now on moto's state machines do all of it."""
    _name_errors()
    _let_a_catch_lead_back()
    StepFunctionResponse.start_sync_execution = _waited_for  # type: ignore[attr-defined]  # moto has none


def _name_errors() -> None:
    moto_names = StateTaskLambda._from_error

    def from_error(task: StateTaskLambda, env: Any, ex: Exception) -> Any:
        event: Any = moto_names(task, env, ex)
        if isinstance(ex, ClientError):
            name = f"Lambda.{ex.response['Error']['Code']}"
            event.error_name = CustomErrorName(name)
            event.event_details["lambdaFunctionFailedEventDetails"]["error"] = name
        return event

    replace(StateTaskLambda, "_from_error", from_error)


def _let_a_catch_lead_back() -> None:
    moto_catches, moto_goes_on = CatcherDecl._eval_body, CommonStateField._set_next

    def catch(catcher: CatcherDecl, env: Any) -> None:
        moto_catches(catcher, env)
        env.caught = isinstance(env.stack[-1], CatcherOutcomeCaught)

    def go_on(state: CommonStateField, env: Any) -> None:
        if getattr(env, "caught", False):
            env.caught = False  # the next state is the catcher's already
        else:
            moto_goes_on(state, env)

    replace(CatcherDecl, "_eval_body", catch)
    replace(CommonStateField, "_set_next", go_on)


def _waited_for(response: StepFunctionResponse) -> ActionResult:
    """`StartSyncExecution`. How long a machine may run is the machine's own matter, here as there."""
    backend, arn = response.stepfunction_backend, response._get_param("stateMachineArn")
    if backend.describe_state_machine(arn).type != "EXPRESS":
        raise AWSError("only express machines are waited for", "StateMachineTypeNotSupported")
    run = backend.start_execution(arn, response._get_param("name"), response._get_param("input"))
    while run.stop_date is None:
        time.sleep(_LOOK_S)
    told = {"executionArn": run.execution_arn, "startDate": run.start_date, "stopDate": run.stop_date}
    found = {"output": json.dumps(run.output), "error": run.error, "cause": run.cause}
    if run.status != "SUCCEEDED":
        found["output"] = None
    shown = {name: value for name, value in found.items() if value is not None}
    return ActionResult({**told, "status": run.status, **shown})
