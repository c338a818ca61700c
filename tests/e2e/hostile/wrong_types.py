"""Wrong values for every declared field, made from the declarations themselves: a new field is attacked without a new test."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import inspect

from gateway.http.wire.chat import ChatBody, CompletionBody
from gateway.http.wire.embeddings import EmbeddingsBody
from gateway.http.wire.inference import FeedbackBody, InferenceBody, OutcomeBody
from gateway.http.wire.responses import ResponsesBody

DECLARED: Final[dict[str, type[msgspec.Struct]]] = {
    "/inference": InferenceBody,
    "/explain": InferenceBody,
    "/v1/chat/completions": ChatBody,
    "/v1/completions": CompletionBody,
    "/v1/responses": ResponsesBody,
    "/v1/embeddings": EmbeddingsBody,
    "/inference/req_0/feedback": FeedbackBody,
    "/inference/req_0/outcome": OutcomeBody,
}
_SAMPLES: Final[dict[str, Any]] = {
    "text": "no-such-word", "whole": 3, "broken": 1.5, "truth": True, "list": [7], "object": {"no": 7},
}  # fmt: skip
_KINDS: Final[dict[type[inspect.Type], tuple[str, ...]]] = {
    inspect.StrType: ("text",),
    inspect.IntType: ("whole",),
    inspect.FloatType: ("whole", "broken"),
    inspect.BoolType: ("truth",),
    inspect.ListType: ("list",),
    inspect.DictType: ("object",),
    inspect.StructType: ("object",),
    inspect.NoneType: (),
    inspect.LiteralType: (),
}


def wrong_bodies(path: str) -> Iterator[tuple[str, bytes]]:
    """Where it is wrong, and the body."""
    declared = inspect.type_info(DECLARED[path])
    for where, value in _wrong(declared):
        yield where, json.dumps(value).encode()


def _wrong(declared: inspect.Type) -> Iterator[tuple[str, Any]]:
    """Every way of being wrong at or below a place, each alone."""
    members = declared.types if isinstance(declared, inspect.UnionType) else (declared,)
    if any(isinstance(member, inspect.AnyType) for member in members):
        return
    allowed = {kind for member in members for kind in _KINDS[type(member)]}
    for kind, value in _SAMPLES.items():
        if kind not in allowed:
            yield kind, value
    for member in members:
        yield from _inside(member)


def _inside(declared: inspect.Type) -> Iterator[tuple[str, Any]]:
    """Right in kind, wrong in value or deeper down."""
    if isinstance(declared, inspect.StructType):
        yield from _fields(declared)
    elif isinstance(declared, inspect.ListType):
        yield from ((f"[].{where}", [value]) for where, value in _wrong(declared.item_type))
        if declared.max_length is not None:
            yield "too many", [right(declared.item_type)] * (declared.max_length + 1)
    elif isinstance(declared, inspect.DictType):
        yield from ((f"{{}}.{where}", {"k": value}) for where, value in _wrong(declared.value_type))
    elif isinstance(declared, inspect.StrType) and declared.max_length is not None:
        yield "too long", "x" * (declared.max_length + 1)
    elif isinstance(declared, (inspect.IntType, inspect.FloatType)):
        yield from _out_of_range(declared)


def _fields(declared: inspect.StructType) -> Iterator[tuple[str, Any]]:
    whole = right(declared)
    for field in declared.fields:
        for where, value in _wrong(field.type):
            yield f"{field.encode_name}.{where}", {**whole, field.encode_name: value}
        if field.required:
            yield f"{field.encode_name} missing", {k: v for k, v in whole.items() if k != field.encode_name}
    if declared.forbid_unknown_fields:
        yield "unknown field", {**whole, "no_such_field": 1}
    if declared.tag_field is not None:
        yield "unknown tag", {**whole, declared.tag_field: "no_such_tag"}


def _out_of_range(declared: inspect.IntType | inspect.FloatType) -> Iterator[tuple[str, Any]]:
    if declared.ge is not None:
        yield "too small", math.floor(declared.ge) - 1
    if declared.le is not None:
        yield "too large", math.ceil(declared.le) + 1


def right(declared: inspect.Type) -> Any:
    """The smallest value that is right."""
    if isinstance(declared, inspect.UnionType):
        declared = declared.types[0]
    if isinstance(declared, inspect.StructType):
        tag = {} if declared.tag_field is None else {declared.tag_field: declared.tag}
        return tag | {field.encode_name: right(field.type) for field in declared.fields if field.required}
    if isinstance(declared, inspect.ListType):
        return [right(declared.item_type)] * (declared.min_length or 0)
    if isinstance(declared, inspect.LiteralType):
        return declared.values[0]
    plain: dict[type[inspect.Type], Any] = {
        inspect.StrType: "x", inspect.IntType: 1, inspect.FloatType: 0.5, inspect.BoolType: True,
        inspect.DictType: {}, inspect.NoneType: None, inspect.AnyType: None,
    }  # fmt: skip
    return plain[type(declared)]


def unbounded(declared: inspect.Type, where: str = "$") -> Iterator[str]:
    """Places of numbers without a smallest and a largest value."""
    if isinstance(declared, (inspect.IntType, inspect.FloatType)) and None in (declared.ge, declared.le):
        yield where
    for step, inner in _parts(declared):
        yield from unbounded(inner, where + step)


def _parts(declared: inspect.Type) -> Iterator[tuple[str, inspect.Type]]:
    """What a declaration is made of, each with the step that leads there."""
    if isinstance(declared, inspect.UnionType):
        yield from (("", member) for member in declared.types)
    elif isinstance(declared, inspect.StructType):
        yield from ((f".{field.encode_name}", field.type) for field in declared.fields)
    elif isinstance(declared, inspect.ListType):
        yield "[]", declared.item_type
    elif isinstance(declared, inspect.DictType):
        yield "{}", declared.value_type


def nulls(path: str) -> Iterator[tuple[str, bytes]]:
    """For each top-level field that may be null, its name and a small right body that says so."""
    declared = inspect.type_info(DECLARED[path])
    assert isinstance(declared, inspect.StructType)
    given = {"input": "x", "messages": [{"role": "user", "content": "x"}], "prompt": "x", "model": "mec/good"}
    needed = {field.encode_name for field in declared.fields if field.required}
    if DECLARED[path] is InferenceBody:
        needed = {"input"}
    whole = right(declared) | {name: value for name, value in given.items() if name in needed}
    for field in declared.fields:
        members = field.type.types if isinstance(field.type, inspect.UnionType) else ()
        if field.encode_name not in needed and any(
            isinstance(member, inspect.NoneType) for member in members
        ):
            yield field.encode_name, json.dumps({**whole, field.encode_name: None}).encode()
