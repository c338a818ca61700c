"""A moderation service that speaks OpenAI's `/v1/moderations`: scores by category."""

from __future__ import annotations

from typing import Final

from router_core.adapters.models.http_pool import HttpPool
from router_core.adapters.wire.http_wire import encode_headers
from router_core.adapters.wire.openai_wire import dump, load, status_answer
from router_core.errors import NotTakenError, UnavailableError
from router_core.ports import GuardCall, GuardVerdict

MOST_CHARS: Final = 1_000_000


class OpenAIModeration:
    """`ContentGuard` for one model of one server; the pool's base URL ends where the API begins."""

    def __init__(self, pool: HttpPool, *, model: str, api_key: str | None, timeout_s: float) -> None:
        headers = {"content-type": "application/json"}
        if api_key is not None:
            headers["authorization"] = f"Bearer {api_key}"
        self._pool, self._model, self._secret, self._timeout_s = pool, model, api_key, timeout_s
        self._headers = encode_headers(headers)
        self._path = pool.origin.path + "/moderations"

    async def judge(self, call: GuardCall) -> GuardVerdict:
        """The text alone, whoever wrote it. Raises `TargetError`s, and `NotTakenError` for more than it takes."""
        if len(call.text) > MOST_CHARS:
            raise NotTakenError("the text is longer than a moderation service is asked about")
        body = dump({"model": self._model, "input": call.text})
        reply = await self._pool.request("POST", self._path, self._headers, body, timeout_s=self._timeout_s)
        if reply.status != 200:
            raise status_answer(reply.status, reply.headers, reply.body, self._secret)
        try:
            results = load(reply.body)["results"]
            scores = {
                str(name): float(score)
                for result in results
                for name, score in (result.get("category_scores") or {}).items()
            }
            return GuardVerdict(
                flagged=any([bool(result["flagged"]) for result in results]), categories=scores
            )
        except (KeyError, TypeError, AttributeError, ValueError):
            raise UnavailableError("the moderation service's answer is malformed") from None
