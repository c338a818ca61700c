"""The Bedrock-speaking stand-in: Converse, ConverseStream and Titan embeddings over the real wire protocol.

Signatures are verified, bodies are checked against the service's description, and streams use the binary event
framing, so that a client which works here speaks the protocol. What it says is a stand-in's text.
"""

from __future__ import annotations

import re
import time
import urllib.parse
import uuid
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Receive, Scope, Send

from gateway.sandbox import converse, pacing, prose, wire
from gateway.sandbox.converse_rules import RequestRefusedError, check_converse
from gateway.sandbox.embedding import embed
from gateway.sandbox.eventstream import CONTENT_TYPE
from gateway.sandbox.examples import ExampleError
from gateway.sandbox.faults import Script, Seen, Step
from gateway.sandbox.guarding import guardrail
from gateway.sandbox.replies import reply_to
from gateway.sandbox.signature import AwsKeys, SignatureError, check_signature

_ROUTE = re.compile(r"/model/(?P<model>[^/]+)/(?P<verb>converse|converse-stream|invoke)")
_MODEL_ID = re.compile(
    r"(?:arn:aws[a-z-]*:bedrock:[^/]{1,40}/)?(?:[a-z-]{2,6}\.)?[a-z0-9]+\.[A-Za-z0-9.:_-]{1,100}"
)
_TITAN_DIMENSIONS = (256, 512, 1024)
_TITAN_FIELDS = {"inputText": str, "dimensions": int, "normalize": bool, "embeddingTypes": list}
_MAX_TITAN_CHARACTERS = 50_000
_STATUS = {
    "AccessDeniedException": 403,
    "InternalServerException": 500,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 400,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "ValidationException": 400,
}
_CODES = {429: "ThrottlingException", 503: "ServiceUnavailableException", 400: "ValidationException"}


class AwsError(Exception):
    """An answer in AWS's error form: HTTP status, error code in a header, message in the body."""

    def __init__(self, status: int, code: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {"x-amzn-errortype": code}
        if retry_after is not None:
            self.headers["retry-after"] = f"{retry_after:g}"


@dataclass(slots=True, kw_only=True)
class BedrockStandIn:
    """An ASGI application. `pace` scales every wait (0: none); without `control_token` scripts are in-process only."""

    keys: AwsKeys
    pace: float = 1.0
    control_token: str | None = None
    script: Script = field(default_factory=Script)
    seen: Seen = field(default_factory=Seen)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        try:
            request = await wire.read_request(scope, receive)
        except wire.BodyTooLargeError:
            await _send_error(send, AwsError(413, "RequestEntityTooLargeException", "the body is too large"))
            return
        await wire.while_connected(receive, self._serve(request, send))

    async def _serve(self, request: wire.Request, send: Send) -> None:
        if request.path.startswith("/_sandbox/"):
            await wire.answer_control(request, send, self.control_token, self.script, self.seen)
            return
        try:
            await self._route(request, send)
        except SignatureError as error:
            await _send_error(send, AwsError(403, error.code, str(error)))
        except guardrail.NoGuardrailError as error:
            await _send_error(send, AwsError(404, "ResourceNotFoundException", str(error)))
        except (RequestRefusedError, ExampleError) as error:
            await _send_error(send, AwsError(400, "ValidationException", str(error)))
        except AwsError as error:
            await _send_error(send, error)

    async def _route(self, request: wire.Request, send: Send) -> None:
        # Matched before decoding: a model id that is an ARN carries an encoded slash.
        if request.method == "POST" and (guards := guardrail.ROUTE.fullmatch(request.raw_path)) is not None:
            await self._guardrail(guards, request, send)
            return
        route = _ROUTE.fullmatch(request.raw_path)
        if request.method != "POST" or route is None:
            self.seen.record("", request.path, request.body)
            raise AwsError(404, "UnknownOperationException", "no such operation")
        model = urllib.parse.unquote(route["model"])
        self.seen.record(model, request.path, request.body)
        check_signature(request, self.keys)
        if not _MODEL_ID.fullmatch(model):
            raise AwsError(400, "ValidationException", "The provided model identifier is invalid.")
        try:
            body = wire.parse_object(request.body)
        except ValueError as error:
            raise AwsError(400, "SerializationException", "the body is not a JSON object") from error
        if route["verb"] == "invoke":
            await self._invoke(model, body, send)
        else:
            await self._converse(model, body, send, streams=route["verb"] == "converse-stream")

    async def _guardrail(self, route: re.Match[str], request: wire.Request, send: Send) -> None:
        """`ApplyGuardrail`; its script is the one of the guardrail's id."""
        name, version = urllib.parse.unquote(route["guardrail"]), urllib.parse.unquote(route["version"])
        self.seen.record(name, request.path, request.body)
        check_signature(request, self.keys)
        if await self._step(name, send) is not None:
            answer = guardrail.apply_guardrail(name, version, wire.parse_object(request.body))
            await wire.send_json(send, 200, answer, _request_id())

    async def _converse(self, model: str, body: dict[str, Any], send: Send, *, streams: bool) -> None:
        check_converse("ConverseStream" if streams else "Converse", model, body)
        step = await self._step(model, send)
        if step is None:
            return
        reply = guardrail.guarded(body, reply_to(converse.question_of(model, body, step)))
        tokens = converse.prompt_tokens(body)
        pace = pacing.cloud_pace(model).scaled(self.pace).after_prompt(tokens, step)
        if streams:
            events = converse.converse_events(reply, tokens, pace, step)
            await wire.send_stream(send, events, {"content-type": CONTENT_TYPE, **_request_id()})
            return
        started = time.monotonic()
        try:
            async for _ in pacing.paced(reply.pieces, pace, step):
                pass
        except wire.ConnectionCutError:
            await wire.send_half(send, converse.converse_answer(reply, tokens, 0))
        except pacing.ScriptedStreamError as error:
            raise _scripted(step) from error
        elapsed_ms = round((time.monotonic() - started) * 1000)
        await wire.send_json(send, 200, converse.converse_answer(reply, tokens, elapsed_ms), _request_id())

    async def _invoke(self, model: str, body: dict[str, Any], send: Send) -> None:
        if "titan-embed" not in model:
            raise AwsError(
                400, "ValidationException", "The stand-in answers invoke for Titan text embeddings only."
            )
        text, dimensions = _titan_input(body)
        step = await self._step(model, send)
        if step is None:
            return
        await pacing.hold(pacing.cloud_pace(model).scaled(self.pace).after_prompt(0, step).ttft_ms)
        vector = embed(text, dimensions, normalize=body.get("normalize", True))
        tokens = max(1, prose.estimate_tokens(text))
        answer = {"embedding": vector, "embeddingsByType": {"float": vector}, "inputTextTokenCount": tokens}
        counts = {"x-amzn-bedrock-input-token-count": str(tokens)}
        await wire.send_json(send, 200, answer, {**counts, **_request_id()})

    async def _step(self, model: str, send: Send) -> Step | None:
        """Take the script's step and play what comes before an answer; None when that was all."""
        step = self.script.take(model)
        await pacing.hold(step.delay_ms)
        if step.body is not None:
            await wire.send_json(send, step.status or 200, step.body, _request_id())
            return None
        if step.fails:
            raise _scripted(step)
        return step


def _scripted(step: Step) -> AwsError:
    code = step.error or _CODES.get(step.status or 500, "InternalServerException")
    return AwsError(step.status or _STATUS.get(code, 500), code, step.message, step.retry_after)


def _titan_input(body: dict[str, Any]) -> tuple[str, int]:
    for name, value in body.items():
        if name not in _TITAN_FIELDS or not isinstance(value, _TITAN_FIELDS[name]):
            raise AwsError(
                400, "ValidationException", f"Malformed input request: #: unexpected value at [{name}]"
            )
    text, dimensions = body.get("inputText", ""), body.get("dimensions", 1024)
    if not 1 <= len(text) <= _MAX_TITAN_CHARACTERS:
        raise AwsError(
            400, "ValidationException", f"inputText must have 1 to {_MAX_TITAN_CHARACTERS} characters"
        )
    if dimensions not in _TITAN_DIMENSIONS:
        raise AwsError(400, "ValidationException", f"dimensions must be one of {_TITAN_DIMENSIONS}")
    return text, dimensions


def _request_id() -> dict[str, str]:
    return {"x-amzn-requestid": str(uuid.uuid4())}


async def _send_error(send: Send, error: AwsError) -> None:
    await wire.send_json(send, error.status, {"message": str(error)}, {**error.headers, **_request_id()})
