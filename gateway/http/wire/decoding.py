"""Turns body bytes into a declared body in one pass, and a failure into a sentence that names the place.

The decoder never sees JSON that is too deep, and what it says about a mistake holds the field's path, not its value.
"""

from __future__ import annotations

import re
from typing import Final, Generic, TypeVar

import msgspec

from gateway.http.bodies import check_depth, check_repeats
from router_core.errors import RequestError, TooLargeError

Body = TypeVar("Body", bound=msgspec.Struct)

HOST_CHOOSING: Final = frozenset(("api_base", "base_url", "api_key", "extra_headers", "user_config"))
"""Fields with which other gateways let a caller pick the upstream; never taken, wherever they stand."""

_AT: Final = re.compile(r" - at `(.*)`$", re.DOTALL)
_COUNTED: Final = re.compile(r"^\$\.(messages|metadata(\[\.\.\.\])?)$")
_LONGEST: Final = 240


class BodyDecoder(Generic[Body]):
    """Decodes one kind of body; `once` names top-level members that must not be repeated."""

    __slots__ = ("_decoder", "_once")

    def __init__(self, kind: type[Body], *, once: tuple[str, ...] = ()) -> None:
        self._decoder = msgspec.json.Decoder(kind)
        self._once = tuple(name.encode() for name in once)

    def decode(self, body: bytes) -> Body:
        """Raises RequestError (400) or TooLargeError (413)."""
        check_depth(body)
        if self._once:
            check_repeats(body, self._once)
        try:
            return self._decoder.decode(body)
        except msgspec.ValidationError as error:
            raise invalid(str(error)) from None
        except (ValueError, RecursionError):
            raise RequestError("the body is not valid JSON in UTF-8") from None


class LenientDecoder(Generic[Body]):
    """Decodes a body that may hold more than we know. `strict` is the same kind without that freedom: it is tried first,
    since most bodies hold nothing else and then one pass is enough."""

    __slots__ = ("_lenient", "_names", "_strict")

    def __init__(self, strict: type[Body], lenient: type[Body]) -> None:
        self._strict = msgspec.json.Decoder(strict)
        self._lenient = BodyDecoder(lenient)
        self._names = frozenset(field.encode_name for field in msgspec.structs.fields(lenient))

    def decode(self, body: bytes) -> tuple[Body, tuple[str, ...]]:
        """The body, and the top-level fields that were ignored. Raises RequestError or TooLargeError."""
        check_depth(body)
        try:
            return self._strict.decode(body), ()
        except msgspec.ValidationError as error:
            # Both read in the same order, so what else stopped the one would stop the other, at the same cost again.
            if "unknown field" not in str(error):
                raise invalid(str(error)) from None
        except (ValueError, RecursionError):
            raise RequestError("the body is not valid JSON in UTF-8") from None
        found = self._lenient.decode(body)
        ignored = tuple(name for name in _MEMBERS.decode(body) if name not in self._names)
        for name in ignored:
            if name in HOST_CHOOSING:
                raise RequestError(f"`{name}` is not accepted", field=name)
        return found, ignored


_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def invalid(said: str) -> RequestError:
    """The decoder's sentence as our error: the path apart, and counts that are limits of the API as 413."""
    found = _AT.search(said)
    path = found[1] if found else "$"
    text = said[: found.start()] if found else said
    if "length <=" in text and _COUNTED.match(path):
        return TooLargeError(f"over a limit: {text}", field=path)
    text = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
    return RequestError(f"{text} at {path[:_LONGEST]}", field=path[:_LONGEST])
