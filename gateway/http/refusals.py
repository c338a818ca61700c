"""Refusals that only exist on HTTP; the tree of errors inside knows nothing of headers, methods and media types."""

from __future__ import annotations

from router_core.errors import RequestError


class UnauthorizedError(RequestError):
    """401: no key, or none we know."""


class MethodError(RequestError):
    """405; `allow` lists what the path takes."""

    def __init__(self, allow: str) -> None:
        super().__init__(f"this path takes {allow}")
        self.allow = allow


class SlowBodyError(RequestError):
    """408: the body did not arrive in time."""


class MediaTypeError(RequestError):
    """415: the body is not JSON by its own account."""


class UnprocessableError(RequestError):
    """422: well formed, but asks for something this installation is not set up for."""


class DrainingError(RequestError):
    """503: this process is about to stop and takes no new work."""


class ModelNotFoundError(RequestError):
    """404: no target, alias or `auto` of this name."""


class ClientLeftError(Exception):
    """The connection is gone; there is nobody to answer. Never leaves this package."""
