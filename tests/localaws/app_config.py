"""AppConfig's data plane, which moto lacks: sessions whose tokens are good for one question, and documents told only when new.

Requests are checked against the SDK's own model of the service, so that what passes here is a request that AWS would read. What is
deployed is put here by a test; validators, roll-outs over minutes and alarms are AWS's and not imitated.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import parse_qs

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

SESSIONS: Final = "/configurationsessions"
LATEST: Final = "/configuration"
_MODEL: Final = ServiceModel(Loader().load_service_model("appconfigdata", "service-2"), "appconfigdata")


class RefusedError(Exception):
    """Answered with a status and the name of an error."""

    def __init__(self, status: str, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class AppConfigData:
    """One WSGI application. `least_s` is how long a session must wait between two questions, in place of what it asked for."""

    def __init__(self, least_s: float | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._least_s, self._now = least_s, now
        self._deployed: dict[str, tuple[int, bytes]] = {}
        self._sessions: dict[str, tuple[str, int, float, float]] = {}
        self.questions = 0

    def deploy(self, profile: str, content: bytes) -> None:
        """What `APPLICATION/ENVIRONMENT/PROFILE` holds from now on."""
        self._deployed[profile] = (self._deployed.get(profile, (0, b""))[0] + 1, content)

    def forget_sessions(self) -> None:
        """As after a day: no token is good any more."""
        self._sessions.clear()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """Serve one request."""
        self.questions += 1
        try:
            if environ["PATH_INFO"] == SESSIONS:
                return self._begin(environ, start)
            return self._latest(environ, start)
        except RefusedError as error:
            start(error.status, [("content-type", "application/json"), ("x-amzn-errortype", error.code)])
            return [json.dumps({"Message": str(error)}).encode()]

    def _begin(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        wanted = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        _check("StartConfigurationSession", wanted)
        parts = [
            wanted[f"{name}Identifier"] for name in ("Application", "Environment", "ConfigurationProfile")
        ]
        profile = "/".join(parts)
        if profile not in self._deployed:
            raise RefusedError("404 Not Found", "ResourceNotFoundException", "no such deployment")
        least_s = float(wanted.get("RequiredMinimumPollIntervalInSeconds", 60))
        token = self._session(profile, 0, least_s, first=True)
        start("201 Created", [("content-type", "application/json")])
        return [json.dumps({"InitialConfigurationToken": token}).encode()]

    def _latest(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        token = parse_qs(environ.get("QUERY_STRING", "")).get("configuration_token", [""])[0]
        _check("GetLatestConfiguration", {"ConfigurationToken": token})
        session = self._sessions.pop(token, None)
        if session is None:
            raise RefusedError("400 Bad Request", "BadRequestException", "the token is not good")
        profile, seen, least_s, not_before_s = session
        if self._now() < not_before_s:
            raise RefusedError("400 Bad Request", "BadRequestException", "asked too soon")
        version, content = self._deployed[profile]
        start(
            "200 OK",
            [
                ("content-type", "application/json"),
                ("Next-Poll-Configuration-Token", self._session(profile, version, least_s)),
                ("Next-Poll-Interval-In-Seconds", str(int(least_s))),
                ("Version-Label", str(version)),
            ],
        )
        return [content if version != seen else b""]

    def _session(self, profile: str, seen: int, least_s: float, *, first: bool = False) -> str:
        token = secrets.token_urlsafe(24)
        wait_s = 0.0 if first else (least_s if self._least_s is None else self._least_s)
        self._sessions[token] = (profile, seen, least_s, self._now() + wait_s)
        return token


def _check(operation: str, given: dict[str, Any]) -> None:
    shape: Any = _MODEL.operation_model(operation).input_shape
    report = ParamValidator().validate(given, shape)
    if report.has_errors():
        raise RefusedError("400 Bad Request", "BadRequestException", report.generate_report())
