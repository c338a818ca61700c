"""The MEC stand-in: a node that answers as vLLM 0.32 does, with metrics from its real in-flight requests.

Generation, embeddings, model list, health, version and metrics. What it says is a stand-in's text.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.types import Receive, Scope, Send

from gateway.sandbox import mec_embeddings, mec_metrics, pacing, wire
from gateway.sandbox.examples import ExampleError
from gateway.sandbox.faults import Script, Seen, Step
from gateway.sandbox.guarding.moderation import PATH, SAFETY_MODEL, moderation, verdict
from gateway.sandbox.mec_answers import Writer
from gateway.sandbox.mec_engine import Engine
from gateway.sandbox.mec_errors import ApiError, scripted
from gateway.sandbox.mec_generation import Generation
from gateway.sandbox.mec_lora import Adapters
from gateway.sandbox.mec_requests import BadRequestError, Job, chat_job, completion_job

VERSION = "0.32.0+standin"
_CHAT, _COMPLETIONS, _EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"


@dataclass(frozen=True, slots=True, kw_only=True)
class MecOptions:
    """One node: chat models and embedding models it serves, its size in tokens, slots, and its speed.

    `pace` scales every wait (0: none). `lora_folders` are the LoRA adapters that lie on it. `api_key` None leaves the node open; `control_token` None turns the
    script endpoints off.
    """

    models: tuple[str, ...] = ("llama-3.1-8b",)
    embedding_models: tuple[str, ...] = ("bge-small-en-v1.5",)
    embedding_dimensions: int = 384
    lora_folders: tuple[str, ...] = ()
    context_tokens: int = 8_192
    slots: int = 8
    kv_tokens: int = 65_536
    pace: float = 1.0
    api_key: str | None = field(default=None, repr=False)
    control_token: str | None = field(default=None, repr=False)


class MecStandIn:
    """An ASGI application that plays one node."""

    def __init__(self, options: MecOptions, script: Script | None = None, seen: Seen | None = None) -> None:
        self.options = options
        self.script = script or Script()
        self.seen = seen or Seen()
        models = (*options.models, *options.embedding_models)
        self.engine = Engine(models, slots=options.slots, kv_tokens=options.kv_tokens)
        self.adapters = Adapters(options.lora_folders, self.engine, options.models)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        try:
            request = await wire.read_request(scope, receive)
        except wire.BodyTooLargeError:
            await wire.send_json(send, 413, ApiError(413, "the body is too large").body)
            return
        await wire.while_connected(receive, self._serve(request, send))

    async def _serve(self, request: wire.Request, send: Send) -> None:
        try:
            if request.path.startswith("/_sandbox/"):
                await wire.answer_control(request, send, self.options.control_token, self.script, self.seen)
                return
            if request.method == "POST":
                self.seen.record(_named_model(request), request.path, request.body)
            if not self._admits(request):
                # vLLM refuses in a form of its own, not in that of its other errors.
                await wire.send_json(send, 401, {"error": "Unauthorized"})
                return
            await (self._get(request, send) if request.method == "GET" else self._post(request, send))
        except ApiError as error:
            await wire.send_json(send, error.status, error.body, error.headers)

    def _admits(self, request: wire.Request) -> bool:
        """Check the key where vLLM does: only `/v1` is protected, metrics and health stay open."""
        if self.options.api_key is None or not request.path.startswith("/v1/"):
            return True
        given = request.headers.get("authorization", "").encode()
        return hmac.compare_digest(given, f"Bearer {self.options.api_key}".encode())

    async def _get(self, request: wire.Request, send: Send) -> None:
        if request.path in {"/health", "/ping"}:
            await wire.send_bytes(send, 200, b"", {"content-type": "text/plain"})
        elif request.path == "/version":
            await wire.send_json(send, 200, {"version": VERSION})
        elif request.path == "/metrics":
            page = mec_metrics.exposition(self.engine).encode()
            await wire.send_bytes(send, 200, page, {"content-type": mec_metrics.CONTENT_TYPE})
        elif request.path == "/v1/models":
            await wire.send_json(send, 200, self._model_list())
        else:
            raise ApiError(404, "Not Found")

    def _model_list(self) -> dict[str, Any]:
        shared = {"object": "model", "created": 0, "owned_by": "stand-in", "parent": None}
        limit = self.options.context_tokens
        models = (*self.options.models, *self.options.embedding_models)
        data = [{"id": name, "root": name, "max_model_len": limit, **shared} for name in models]
        return {"object": "list", "data": [*data, *self.adapters.cards()]}

    async def _post(self, request: wire.Request, send: Send) -> None:
        if self.adapters.serves(request.path):
            said = self.adapters.act(request.path, _object(request))
            await wire.send_bytes(send, 200, said.encode(), {"content-type": "text/plain; charset=utf-8"})
            return
        if request.path == PATH:
            await self._moderate(_object(request), send)
            return
        if request.path not in {_CHAT, _COMPLETIONS, _EMBEDDINGS}:
            raise ApiError(404, "Not Found")
        body = self._body(request)
        step = self.script.take(body["model"])
        await pacing.hold(step.delay_ms)
        if step.body is not None:
            await wire.send_json(send, step.status or 200, step.body)
        elif step.fails:
            raise scripted(step)
        elif request.path == _EMBEDDINGS:
            await self._embed(body, step, send)
        else:
            await self._generate(request.path, body, step, send)

    async def _moderate(self, body: dict[str, Any], send: Send) -> None:
        step = self.script.take(str(body.get("model")))
        await pacing.hold(step.delay_ms)
        if step.fails:
            raise scripted(step)
        await wire.send_json(send, 200, step.body or moderation(body))

    def _body(self, request: wire.Request) -> dict[str, Any]:
        body = _object(request)
        model = body.get("model")
        if not isinstance(model, str):
            raise ApiError(400, "model: Input should be a valid string", param="model")
        chat_models = (*self.options.models, *self.adapters.loaded)
        if model not in (*chat_models, *self.options.embedding_models):
            raise ApiError(404, f"The model `{model}` does not exist.", param="model")
        embeds = request.path == _EMBEDDINGS
        if model not in (self.options.embedding_models if embeds else chat_models):
            raise ApiError(400, f"The model does not support {'Embeddings' if embeds else 'Generation'} API")
        return body

    async def _generate(self, path: str, body: dict[str, Any], step: Step, send: Send) -> None:
        if body["model"].startswith(SAFETY_MODEL) and step.text is None:
            step = replace(step, text=verdict(body))
        try:
            job = (chat_job if path == _CHAT else completion_job)(body, step)
            self._check_length(job)
            generation = Generation(
                job=job,
                step=step,
                engine=self.engine,
                writer=Writer(job, path == _CHAT),
                pace_scale=self.options.pace,
            )
        except (BadRequestError, ExampleError) as error:
            raise ApiError(400, str(error)) from error
        await generation.run(send)

    def _check_length(self, job: Job) -> None:
        limit, wanted = self.options.context_tokens, job.question.max_tokens or 1
        if job.prompt_tokens + wanted > limit:
            text = (
                f"This model's maximum context length is {limit} tokens. However, you requested {wanted} output "
                f"tokens and your prompt contains {job.prompt_tokens} input tokens."
            )
            raise ApiError(400, text, param="input_tokens")

    async def _embed(self, body: dict[str, Any], step: Step, send: Send) -> None:
        texts = mec_embeddings.input_texts(body)
        tokens, model = mec_embeddings.count_tokens(texts), body["model"]
        async with self.engine.slot(model, tokens):
            cached = self.engine.read_prompt(model, "\n".join(texts), tokens)
            await pacing.hold(
                pacing.EDGE.scaled(self.options.pace).after_prompt(tokens - cached, step).ttft_ms
            )
            answer = mec_embeddings.embeddings_answer(body, texts, self.options.embedding_dimensions)
        self.engine.finish(model, "stop", 0)
        await wire.send_json(send, 200, answer)


def _object(request: wire.Request) -> dict[str, Any]:
    try:
        return wire.parse_object(request.body)
    except ValueError as error:
        raise ApiError(400, "The body is not a JSON object") from error


def _named_model(request: wire.Request) -> str:
    try:
        return str(wire.parse_object(request.body).get("model", ""))
    except ValueError:
        return ""
