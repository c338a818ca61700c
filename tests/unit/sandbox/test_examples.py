"""The example generator: what it returns validates, and what it cannot build it refuses instead of guessing."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sandbox.examples import ExampleError, example_of
from gateway.sandbox.patterns import PatternError, example_for

TREE: dict[str, Any] = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
            "required": ["name"],
        }
    },
    "$ref": "#/$defs/node",
}  # fmt: skip


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "string", "minLength": 30, "maxLength": 40},
        {"type": "string", "maxLength": 2},
        {"type": "string", "pattern": "^[A-Z]{3}-\\d{4}(x|yy)?$"},
        {"type": "string", "pattern": "[^a-z ]+"},
        {"type": "string", "format": "date-time"},
        {"type": "integer", "minimum": 7, "maximum": 7},
        {"type": "integer", "exclusiveMinimum": 10, "multipleOf": 3},
        {"type": "integer", "maximum": -4},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        {"type": "number", "minimum": -5.5, "maximum": -5.25},
        {"type": "number", "multipleOf": 0.25, "minimum": 0.3},
        {"type": ["null", "boolean"]},
        {"type": "array", "items": {"type": "string"}, "minItems": 3, "uniqueItems": True},
        {"type": "array", "prefixItems": [{"const": 1}, {"type": "string"}], "items": False},
        {"type": "array", "maxItems": 0, "items": {"type": "string"}},
        {"enum": [None, 2]},
        {"anyOf": [{"type": "string", "pattern": "(?=x)y"}, {"type": "boolean"}]},
        {"allOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"required": ["b"]}]},
        {"type": "object", "required": ["x"], "additionalProperties": {"type": "integer"}},
        {"type": "object", "minProperties": 2},
        TREE,
    ],
)
def test_the_example_validates_against_its_schema(schema: dict[str, Any]) -> None:
    jsonschema.validate(example_of(schema), schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "minimum": 2, "maximum": 1},
        {"type": "object", "required": ["x"], "additionalProperties": False},
        {"type": "string", "minLength": 10**9},
        {"type": "array", "minItems": 10**9, "items": {}},
        {"enum": []},
        {"type": "unheard"},
        {"properties": 3},
        {"$ref": "#/nowhere"},
        {"$ref": "#"},
        {"$ref": "file:///etc/passwd"},
        {"type": "string", "pattern": "(a"},
        {"type": "string", "pattern": "a{100000}"},
    ],
)
def test_a_schema_that_cannot_be_met_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ExampleError):
        example_of(schema)


def test_a_schema_without_end_is_refused_quickly() -> None:
    endless = {
        "$defs": {"a": {"type": "object", "properties": {"b": {"$ref": "#/$defs/a"}}, "required": ["b"]}},
        "$ref": "#/$defs/a",
    }
    with pytest.raises(ExampleError, match="without end"):
        example_of(endless)


def test_words_of_the_user_choose_among_allowed_values() -> None:
    schema = {
        "type": "object",
        "properties": {"room": {"enum": ["bath", "kitchen"]}, "city": {"type": "string"}},
    }
    assert example_of(schema, "lights in the Kitchen of Oslo, please") == {"room": "kitchen", "city": "Oslo"}


SCHEMAS = st.recursive(
    st.one_of(
        st.builds(lambda low, span: {"type": "integer", "minimum": low, "maximum": low + span},
                  st.integers(-1000, 1000), st.integers(0, 50)),
        st.builds(lambda low, span: {"type": "string", "minLength": low, "maxLength": low + span},
                  st.integers(0, 40), st.integers(0, 40)),
        st.builds(lambda values: {"enum": values}, st.lists(st.text(max_size=5), min_size=1, unique=True)),
        st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": "number", "exclusiveMinimum": 3}]),
    ),
    lambda inner: st.one_of(
        st.builds(lambda items, n: {"type": "array", "items": items, "minItems": n}, inner, st.integers(0, 3)),
        st.builds(lambda props: {"type": "object", "properties": props, "required": sorted(props)},
                  st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)),
        st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=8,
)  # fmt: skip


@given(schema=SCHEMAS, hint=st.text(max_size=40))
def test_generated_schemas_get_valid_examples_whatever_the_user_says(
    schema: dict[str, Any], hint: str
) -> None:
    jsonschema.validate(example_of(schema, hint), schema)


@given(st.from_regex(re.compile(r"[\[\](){}|?*+^$.\\\-a-dxw0-9,:=!<]{1,14}"), fullmatch=True))
def test_a_pattern_gives_a_match_or_a_refusal(pattern: str) -> None:
    try:
        text = example_for(pattern)
    except PatternError:
        return
    assert re.search(pattern, text)
