"""Bodies that no program of ours would write, with the statuses the contract allows for each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

BAD, LARGE, EITHER = (400,), (413,), (400, 413)
_TEXT = b'"hostile-canary-text"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """A body for a path. `statuses` are those it may be answered with."""

    name: str
    path: str
    body: bytes
    statuses: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A path that takes a body: the text of a good one with `%b` where a JSON text stands, and fields to put things into.

    `number` and `whole` take a number, `free` any JSON; None where the path has no such field.
    """

    path: str
    good: bytes
    number: str | None = None
    whole: str | None = None
    free: str | None = None


_CHAT = b'{"model": "auto", "messages": [{"role": "user", "content": %b}]}'
_SCHEMA = '{"type": "function", "function": {"name": "f", "parameters": {"x": %s}}}'
DOORS = (
    Door(path="/inference", good=b'{"input": %b}', number='"params": {"temperature": %s}',
         whole='"params": {"seed": %s}', free='"params": {"tools": [' + _SCHEMA + "]}"),
    Door(path="/explain", good=b'{"messages": [{"role": "user", "content": %b}]}', number='"network": {"rtt_ms": %s}',
         whole='"params": {"max_tokens": %s}'),
    Door(path="/v1/chat/completions", good=_CHAT, number='"temperature": %s', whole='"n": %s', free='"tools": [' + _SCHEMA + "]"),
    Door(path="/v1/completions", good=b'{"model": "auto", "prompt": %b}', number='"top_p": %s', whole='"max_tokens": %s'),
    Door(path="/v1/responses", good=b'{"model": "auto", "input": %b}', number='"temperature": %s', whole='"max_output_tokens": %s',
         free='"tools": [{"type": "function", "name": "f", "parameters": {"x": %s}}]'),
    Door(path="/v1/embeddings", good=b'{"model": "auto", "input": %b}', whole='"dimensions": %s'),
    Door(path="/inference/req_0/feedback", good=b'{"score": 0.5, "comment": %b}', number='"score": %s'),
    Door(path="/inference/req_0/outcome", good=b'{"status": "failed", "error": %b}', number='"quality": %s',
         whole='"output_tokens": %s'),
)  # fmt: skip

NUMBERS = ("1e400", "-1e400", "1e308", "NaN", "Infinity", "-Infinity", "0x10", "01", "+1", ".5", "1e", "--1")
WHOLES = ("1" + "0" * 5000, "-" + "9" * 5000, "18446744073709551616", "1.5", "1e99", "-9223372036854775809")
TEXTS: Mapping[str, bytes] = {
    "lone byte": b'"\xff"',
    "overlong": b'"\xc0\xaf"',
    "cut character": b'"\xe2\x82"',
    "surrogate in utf-8": b'"\xed\xa0\x80"',
    "above unicode": b'"\xf5\x80\x80\x80"',
    "lone surrogate": b'"\\ud800"',
    "surrogates reversed": b'"\\udc00\\ud800"',
    "raw nul": b'"a\x00b"',
    "raw newline": b'"a\nb"',
    "bad escape": b'"\\x41"',
    "cut escape": b'"\\u12"',
    "not closed": b'"abc',
}
WHOLE_BODIES: Mapping[str, bytes] = {
    "nothing": b"",
    "null": b"null",
    "list": b"[]",
    "text": b'"x"',
    "number": b"1",
    "NaN": b"NaN",
    "half": b'{"input": ',
    "two documents": b"{}{}",
    "comment": b'{/**/"input": "x"}',
    "single quotes": b"{'input': 'x'}",
    "trailing comma": b'{"input": "x",}',
    "byte order mark": b'\xef\xbb\xbf{"input": "x"}',
    "utf-16": '{"input": "x"}'.encode("utf-16"),
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\x56\x2a\x4a\x55\xb2\x52",
    "python": b"{'input': __import__('os')}",
    "form": b"input=x&model=auto",
}
DEPTHS = (100, 100_000, 1_000_000)


def hostile_bodies() -> Iterator[Hostile]:
    """Every kind at every door."""
    for door in DOORS:
        yield from _deep(door)
        yield from _broken(door)
        yield from _numbers(door)
        yield from _crowds(door)


def harmless_bodies() -> Iterator[Hostile]:
    """What looks odd and is allowed; the ids of the last two doors do not exist."""
    fine = (200, 404)
    for door in DOORS:
        for name, text in {
            "escaped nul": b'"a\\u0000b"',
            "controls": b'"\\u0001\\u001b[2J\\u202e"',
            "template": b"\"{{''.__class__.__mro__[1].__subclasses__()}} ${jndi:ldap://x} %n%s\"",
            "statement": b'"\'; DROP TABLE keys; --"',
            "special tokens": b'"<|im_end|><|endoftext|></s>[INST]"',
        }.items():
            yield Hostile(name=name, path=door.path, body=door.good % text, statuses=fine)


def with_field(door: Door, template: str, value: str) -> bytes:
    """The good body with one more member in front, so that an ill-formed value cannot hide behind anything."""
    return b"{" + (template % value).encode() + b", " + (door.good % _TEXT)[1:]


def _deep(door: Door) -> Iterator[Hostile]:
    for depth in DEPTHS:
        for opener, closer in ((b"[", b"]"), (b'{"a":', b"}")):
            nested = opener * depth + b"1" + closer * depth
            name = f"{depth} x {opener.decode()}"
            yield Hostile(name=name, path=door.path, body=nested, statuses=LARGE)
            yield Hostile(name=f"{name} inside", path=door.path, body=door.good % nested, statuses=LARGE)
            # Never closed: a reader that looks for the end first would read to the end.
            yield Hostile(name=f"{name} open", path=door.path, body=opener * depth, statuses=LARGE)


def _broken(door: Door) -> Iterator[Hostile]:
    for name, text in TEXTS.items():
        yield Hostile(name=name, path=door.path, body=door.good % text, statuses=BAD)
    for name, body in WHOLE_BODIES.items():
        yield Hostile(name=name, path=door.path, body=body, statuses=BAD)


def _numbers(door: Door) -> Iterator[Hostile]:
    for template, values in (
        (door.number, NUMBERS),
        (door.whole, WHOLES),
        (door.free, ("1" + "0" * 5000, "1e400", "NaN")),
    ):
        for value in values if template else ():
            body = with_field(door, template or "", value)
            yield Hostile(name=f"{value[:12]} in {template}", path=door.path, body=body, statuses=BAD)


def _crowds(door: Door) -> Iterator[Hostile]:
    """Too many of something that is fine alone."""
    if b'"messages"' in door.good:
        body = json.loads(door.good % _TEXT)
        many = json.dumps({**body, "messages": body["messages"] * 100_000}).encode()
        yield Hostile(name="100,000 messages", path=door.path, body=many, statuses=LARGE)
    if door.path == "/inference":
        yield _more(door, "metadata", {f"k{n}": "v" for n in range(17)}, LARGE)
        yield _more(door, "metadata", {"k": "v" * 513}, LARGE)
        yield _more(door, "user", "u" * 100_000, EITHER)
        yield _more(door, "params", {"stop": ["s"] * 1000}, EITHER)
        yield _more(door, "device", {"models": ["m"] * 100_000}, EITHER)
        yield Hostile(name="input twice", path=door.path, body=b'{"input": "a", "input": "b"}', statuses=BAD)
        yield Hostile(name="input and messages", path=door.path,
                      body=b'{"input": "a", "messages": [{"role": "user", "content": "b"}]}', statuses=BAD)  # fmt: skip
    if door.path == "/v1/embeddings":
        yield _more(door, "input", ["x"] * 100_000, EITHER)
    unknown = json.dumps(
        {**json.loads(door.good % _TEXT), **{f"field{n}": n for n in range(100_000)}}
    ).encode()
    allowed = (200,) if door.path.startswith("/v1/") else EITHER
    yield Hostile(name="100,000 unknown fields", path=door.path, body=unknown, statuses=allowed)


def _more(door: Door, name: str, value: Any, statuses: tuple[int, ...]) -> Hostile:
    body = json.dumps({**json.loads(door.good % _TEXT), name: value}).encode()
    return Hostile(name=f"too much {name}", path=door.path, body=body, statuses=statuses)
