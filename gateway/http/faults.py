"""What is written down about an error nobody foresaw: where it was, never what it said.

An unforeseen error's text may quote a prompt or a header, so only its type and the places it passed are logged.
"""

from __future__ import annotations

import logging
import traceback


def note(log: logging.Logger, error: BaseException, request_id: str) -> None:
    """Logs type and places of `error` under the request's id."""
    places = " < ".join(
        f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}"
        for frame in reversed(traceback.extract_tb(error.__traceback__))
    )
    log.error("%s: %s at %s", request_id, type(error).__name__, places)
