"""What API Gateway itself answers when a request does not reach its integration, in the words the API may have changed."""

from __future__ import annotations

import json
from typing import Any

from moto.apigateway.models import RestAPI
from werkzeug.wrappers import Response


class Refusal(Exception):
    """One refusal: its status, the name of its gateway response, and its message."""

    def __init__(self, status: int, kind: str, message: str | None) -> None:
        super().__init__(message)
        self._status, self._kind, self._message = status, kind, message

    def answer(self, api: RestAPI | None) -> Response:
        """The response, with the API's own gateway response for this kind or for its class of status."""
        own = _own(api, self._kind, self._status)
        body = (own.get("responseTemplates") or {}).get("application/json")
        text = json.dumps({"message": self._message}) if body is None else self._filled(body)
        response = Response(text, int(own.get("statusCode") or self._status), mimetype="application/json")
        response.headers["x-amzn-ErrorType"] = f"{self._kind.title().replace('_', '')}Exception"
        for name, value in (own.get("responseParameters") or {}).items():
            if name.startswith("gatewayresponse.header."):
                response.headers[name.removeprefix("gatewayresponse.header.")] = str(value).strip("'")
        return response

    def _filled(self, template: str) -> str:
        values = {
            "context.error.messageString": json.dumps(self._message),
            "context.error.message": self._message or "",
            "context.error.responseType": self._kind,
            "context.requestId": "local",
        }
        # Longest name first: one is the beginning of another.
        for name in sorted(values, key=len, reverse=True):
            template = template.replace(f"${{{name}}}", values[name]).replace(f"${name}", values[name])
        return template


def _own(api: RestAPI | None, kind: str, status: int) -> dict[str, Any]:
    for name in (kind, f"DEFAULT_{status // 100}XX"):
        if api is not None and (found := api.gateway_responses.get(name)) is not None:
            return found.to_json()
    return {}
