"""A caller's own key for a provider, while one request is being served with it.

It travels beside the records, never in one: what is stored, logged, traced, sent to a stage or told to anybody is made of
records. Whoever takes the key in holds it for as long as the request lasts; then the holder is emptied, also for tasks that
were begun meanwhile and live on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, NoReturn

PREFIX: Final = "byok/"
"""How the names of targets begin that are asked with a caller's own key."""


class OwnKey:
    """A key that does not show itself and cannot be put into a record."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value: str | None = value

    def reveal(self) -> str | None:
        """The key, None once it was forgotten."""
        return self._value

    def forget(self) -> None:
        """Nobody needs it any more."""
        self._value = None

    def __repr__(self) -> str:
        return "OwnKey(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a caller's key is not to be stored")


_HELD: Final[ContextVar[OwnKey | None]] = ContextVar("tierwise_own_key", default=None)


@contextmanager
def holding(key: OwnKey | None) -> Iterator[None]:
    """The key inside the block, None for none: what was held outside of it does not count inside."""
    token = _HELD.set(key)
    try:
        yield
    finally:
        _HELD.reset(token)
        if key is not None:
            key.forget()


def held() -> str | None:
    """The key that this request came with."""
    key = _HELD.get()
    return None if key is None else key.reveal()


def needs_own_key(target: str | None) -> bool:
    """Whether a target of this name is asked with a caller's own key."""
    return target is not None and target.startswith(PREFIX)
