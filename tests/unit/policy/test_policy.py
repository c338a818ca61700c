"""The policy document: what is accepted, what is refused and how the refusal names the key."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_core.errors import ConfigurationError
from router_core.policy.diff import diff
from router_core.policy.document import Policy
from router_core.policy.parse import MAX_BYTES, from_document, minified, parse, to_document
from router_core.policy.schema import json_schema

DEFAULT = from_document({})


def document(**sections: Any) -> dict[str, Any]:
    return {"schema": "tierwise.policy/1", "name": "default", "version": 2, **sections}


def test_the_default_fits_parameter_store() -> None:
    """The complete default document stays within the advanced tier's limit, with room to grow."""
    assert len(minified(to_document(DEFAULT))) < MAX_BYTES / 2
    assert DEFAULT.label == "default@1"


def test_a_document_survives_the_round_trip() -> None:
    """Writing out and reading back gives an equal policy with the same hash."""
    assert parse(json.dumps(to_document(DEFAULT))) == DEFAULT


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ({"weihgts": {}}, "weihgts"),
        ({"objectives": {"balanced": {"qualty": 1}}}, "objectives.balanced.qualty"),
        ({"objectives": {"fastest": {"quality": 1}}}, "objectives.fastest"),
        (
            {"objectives": {"cost": {k: 0 for k in ("quality", "latency", "cost", "affinity")}}},
            "objectives.cost",
        ),
        ({"tiers": {"cloud": {"max_privacy": "restricted"}}}, "tiers.cloud.max_privacy"),
        ({"tiers": {"mec": {"max_privacy": "secret"}}}, "tiers.mec.max_privacy"),
        ({"tiers": {"device": {"min_battery": 1.5}}}, "tiers.device.min_battery"),
        ({"limits": {"attempts": 0}}, "limits.attempts"),
        ({"limits": {"attempts": 2.5}}, "limits.attempts"),
        ({"limits": {"deadline_ms": "60s"}}, "limits.deadline_ms"),
        ({"references": {"latency_ms": 0}}, "references.latency_ms"),
        ({"exploration": {"rate": 2}}, "exploration.rate"),
        ({"exploration": {"classes": ["urgent"]}}, "exploration.classes"),
        ({"cache": {"enabled": 1}}, "cache.enabled"),
        ({"cache": []}, "cache"),
        ({"version": 0}, "version"),
        ({"version": True}, "version"),
        ({"name": "a b"}, "name"),
        ({"name": "x" * 9000}, "bytes"),
        ({"thresholds": {"confidence_low": 0.9}}, "confidence_low"),
        ({"compliance": {"GDPR": {"residency": ""}}}, "compliance.GDPR.residency"),
        ({"schema": "tierwise.policy/2"}, "schema"),
    ],
)
def test_a_wrong_document_is_refused_by_name(text: dict[str, Any], named: str) -> None:
    """The error names the offending key, and no policy comes of it."""
    with pytest.raises(ConfigurationError, match=named.replace(".", r"\.")):
        from_document(document(**text) if "schema" not in text else text)


@pytest.mark.parametrize(
    "text", ["", "[]", "nul", '{"version": NaN}', "[" * 100_000, b"\xff", '{"version": 1e999}']
)
def test_what_is_not_json_is_refused(text: str | bytes) -> None:
    """Broken or hostile text raises the one error there is, never anything else."""
    with pytest.raises(ConfigurationError):
        parse(text)


def test_diff_names_what_changed() -> None:
    """Only the changed keys are listed, with both values."""
    changed = from_document(document(thresholds={"stickiness": 0.1}))
    assert [(c.key, c.before, c.after) for c in diff(DEFAULT, changed)] == [
        ("thresholds.stickiness", 0.03, 0.1),
        ("version", 1, 2),
    ]
    assert diff(DEFAULT, DEFAULT) == ()


def test_the_schema_knows_every_key() -> None:
    """The published schema accepts the complete default and refuses an unknown key, as the parser does."""
    jsonschema.validate(to_document(DEFAULT), json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"limits": {"attemps": 3}}, json_schema())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(to_document(Policy()))), json_values))
def test_any_json_is_a_policy_or_one_clear_error(text: dict[str, Any]) -> None:
    """Whatever the values, parsing ends in a policy or in a ConfigurationError."""
    try:
        policy = from_document(text)
    except ConfigurationError as error:
        assert str(error).startswith("policy")
    else:
        assert from_document(to_document(policy)) == policy
