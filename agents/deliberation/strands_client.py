"""One question to Amazon Nova through Strands, and its structured answer.

The only module that imports Strands and pydantic. Neither SDK retries: Strands' own back-off can wait a minute, and
whoever asks has a budget. An agent is made per question, because one that is kept also keeps what it was told.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model
from strands import Agent, ModelRetryStrategy, tool
from strands.models import BedrockModel
from strands.types.exceptions import StructuredOutputException

from agents.deliberation.asking import (
    CONFIDENCE,
    MAX_ANSWER_TOKENS,
    Form,
    Look,
    Question,
    Role,
    Thought,
)
from router_core.errors import NotTakenError, StoreError

MAX_CODE = 64
if TYPE_CHECKING:
    from agents.deliberation.nova import NovaPlace


class StrandsClient:
    """A client per model, made when it is first asked."""

    def __init__(self, place: NovaPlace) -> None:
        # Strands' own lines hold whole messages.
        logging.getLogger("strands").setLevel(logging.CRITICAL)
        for name in ("boto3", "botocore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._place = place
        self._models: dict[Role, BedrockModel] = {}

    async def think(self, question: Question) -> Thought:
        """One answer. Raises `StoreError` or `NotTakenError`."""
        try:
            agent = Agent(
                model=self._model(question.role),
                system_prompt=question.prompt.text,
                name=question.agent,
                callback_handler=None,
                tools=[_looking(look) for look in question.looks],
                retry_strategy=ModelRetryStrategy(max_attempts=1),
            )
            result = await agent.invoke_async(
                question.text,
                structured_output_model=answer_type(question.form),
                limits={"turns": question.turns},
            )
        except StructuredOutputException:
            raise NotTakenError("the model did not answer in the form it was asked for") from None
        except Exception as error:
            # Only the kind: the SDKs' sentences repeat what was sent.
            raise StoreError(f"the model gave no answer: {_kind(error)}") from None
        if result.structured_output is None:
            raise NotTakenError("the model did not answer in the form it was asked for")
        usage = result.metrics.accumulated_usage
        return Thought(
            values=result.structured_output.model_dump(),
            model=self._place.models[question.role].id,
            input_tokens=usage["inputTokens"],
            output_tokens=usage["outputTokens"],
        )

    def connect(self) -> None:
        """Make every client that questions will need."""
        for role in self._place.models:
            self._model(role)

    def _model(self, role: Role) -> BedrockModel:
        found = self._models.get(role)
        if found is None:
            found = self._models[role] = BedrockModel(
                boto_session=self._place.session(),
                boto_client_config=self._place.config(),
                endpoint_url=self._place.endpoint_url,
                model_id=self._place.models[role].id,
                max_tokens=MAX_ANSWER_TOKENS,
                temperature=0.0,
                streaming=self._place.streams,
            )
        return found


def _kind(error: Exception) -> str:
    """The error's class, and AWS's code where it has one."""
    told = getattr(error, "response", None)
    code = told.get("Error", {}).get("Code") if isinstance(told, dict) else None
    known = isinstance(code, str) and code.isalpha() and len(code) <= MAX_CODE
    return f"{type(error).__name__} ({code})" if known else type(error).__name__


def _looking(look: Look) -> Any:
    """The tool as Strands calls it: it repeats what was seen, whatever it is called with."""

    @tool(name=look.name, description=look.meaning, inputSchema={"type": "object", "properties": {}})
    def seen() -> str:
        return look.text

    return seen


@lru_cache(maxsize=256)
def answer_type(form: Form) -> type[BaseModel]:
    """The form as the class that Strands asks the model to fill; anything beside it is refused."""
    fields: dict[str, Any] = {
        choice.name: (Literal[choice.words], Field(description=choice.meaning)) for choice in form.choices
    }
    for name, meaning in (*form.fractions, (CONFIDENCE, "how sure you are, from 0 to 1")):
        fields[name] = (float, Field(ge=0.0, le=1.0, description=meaning))
    made: type[BaseModel] = create_model(
        form.name, __config__=ConfigDict(extra="forbid", frozen=True), __doc__=form.meaning, **fields
    )
    return made
