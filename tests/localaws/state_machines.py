"""Two things that moto's state machines do otherwise than Step Functions, and that our workflow is made of.

An error of Lambda itself is named `Lambda.TooManyRequestsException` and the like: a Retry lists those names. And a Catch
may lead back to its own state, which is how the next leg of a request runs; moto takes that for "not caught".
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.asl.component.common.catch.catcher_decl import CatcherDecl
from moto.stepfunctions.parser.asl.component.common.catch.catcher_outcome import CatcherOutcomeCaught
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.state.exec.state_task.state_task_lambda import StateTaskLambda
from moto.stepfunctions.parser.asl.component.state.state import CommonStateField

from tests.localaws.replacing import replace


def install() -> None:
    """From now on moto's state machines do both."""
    _name_errors()
    _let_a_catch_lead_back()


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
