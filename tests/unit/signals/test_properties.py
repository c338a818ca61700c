"""What holds for every text: no exception, spans in bounds and disjoint, values in range, equal answers."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_core.signals import analyse, complexity, estimate_tokens, fingerprint, scan, stable_fraction
from router_core.signals.fingerprint import canonical_json, shared_fraction
from router_core.signals.reading import read
from router_core.signals.sensitivity import LEVELS

ANY_TEXT = st.text(st.characters(), max_size=300)
_PIECES = (
    "a 1 @ . - : :: , ( ) + é １ İ ß 漢 \n eyJ sk- AKIA DE89 4111 1111 example.com born 12/03/1990 mrn passport "
    "lat ignore instructions <| patient 0.123 12345678Z +49 password= \ud800 \U0001f600"
)
PIECES = st.lists(
    st.sampled_from([*_PIECES.split(" "), " ", "-----BEGIN PRIVATE " + "KEY-----"]), max_size=60
).map("".join)


@given(st.one_of(ANY_TEXT, PIECES))
def test_no_text_raises_and_every_value_is_in_range(text: str) -> None:
    signals = analyse(text)
    assert 0.0 <= signals.complexity <= 1.0
    assert 0.0 <= signals.guard <= 1.0
    assert signals.level in LEVELS
    assert (signals.tokens == 0) == (text == "")
    assert signals.pii_kinds == tuple(sorted({span.kind for span in signals.pii}))


@given(st.one_of(ANY_TEXT, PIECES))
def test_spans_are_ordered_disjoint_and_within_the_text(text: str) -> None:
    spans = scan(text)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(left.end <= right.start for left, right in pairwise(spans))


@given(st.one_of(ANY_TEXT, PIECES))
def test_every_form_of_a_text_keeps_its_offsets(text: str) -> None:
    reading = read(text)
    assert len(reading.plain) == len(reading.lower) == len(reading.shape) == len(text)


@given(st.one_of(ANY_TEXT, PIECES))
def test_the_same_text_gives_the_same_signals(text: str) -> None:
    assert analyse(text) == analyse("".join(list(text)))


@given(ANY_TEXT, ANY_TEXT)
def test_token_estimates_nearly_add_up(left: str, right: str) -> None:
    """A border can join two words or split one; the long-word correction bounds the rest."""
    whole, parts = estimate_tokens(left + right), estimate_tokens(left) + estimate_tokens(right)
    assert abs(whole - parts) <= 4 + 0.5 * parts


@given(PIECES, st.integers(1, 50), st.integers(0, 100_000), st.booleans())
def test_more_turns_tokens_or_tools_never_lower_complexity(
    text: str, turns: int, tokens: int, tools: bool
) -> None:
    less = complexity(text, turns=turns, max_tokens=tokens)
    assert complexity(text, turns=turns + 1, max_tokens=tokens + 100, has_tools=tools) >= less


@given(st.lists(st.binary(max_size=8), max_size=6), st.lists(st.binary(max_size=8), max_size=6))
def test_fingerprints_tell_sequences_apart(left: list[bytes], right: list[bytes]) -> None:
    assert (fingerprint(left) == fingerprint(right)) == (left == right)


def test_fingerprints_see_where_parts_end() -> None:
    assert (
        len({fingerprint(parts) for parts in ([b"ab", b"c"], [b"a", b"bc"], [b"abc"], [b"abc", b""], [])})
        == 5
    )


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_canonical_json_does_not_depend_on_key_order(value: object) -> None:
    def reversed_keys(node: object) -> object:
        if isinstance(node, dict):
            return {key: reversed_keys(node[key]) for key in reversed(list(node))}
        return [reversed_keys(item) for item in node] if isinstance(node, list) else node

    assert canonical_json(value) == canonical_json(reversed_keys(value))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}])
def test_canonical_json_refuses_what_json_cannot_spell(value: object) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json(value)


@given(ANY_TEXT)
def test_stable_fraction_is_in_range_and_repeats(key: str) -> None:
    assert 0.0 <= stable_fraction(key) < 1.0
    assert stable_fraction(key) == stable_fraction(key)


def test_a_shared_fraction_is_the_sha_256_that_other_languages_draw() -> None:
    digest = hashlib.sha256(b"req_1").hexdigest()
    assert shared_fraction("req_1") == int(digest[:16], 16) // 2**11 / 2**53


def test_stable_fractions_are_spread_evenly() -> None:
    counts = [0] * 10
    for number in range(10_000):
        counts[int(stable_fraction(f"request-{number}") * 10)] += 1
    assert max(abs(count - 1000) for count in counts) < 120


def test_ten_megabytes_are_read_to_the_last_character() -> None:
    """Nothing is cut off at the largest body the service accepts."""
    text = "the committee met again " * 430_000 + "4111 1111 1111 1111"
    assert len(text) > 10_000_000
    assert [(span.kind, span.end) for span in analyse(text).pii] == [("credit_card", len(text))]
