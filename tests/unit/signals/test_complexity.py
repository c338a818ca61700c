"""Complexity orders requests sensibly and cannot be moved far by padding or repetition."""

from itertools import pairwise

import pytest

from router_core.signals import complexity

LADDER = [
    "turn off the lights",
    "what is the capital of France",
    "summarise this paragraph: the council met on Monday and talked about the new library near the river",
    "write a python function that checks whether a string is a palindrome",
    "prove that the square root of every prime number is irrational and explain each step of the proof",
    "design a distributed rate limiter that must survive node failures; compare the trade-offs step by step, analyse "
    "consistency and latency, and derive the optimal number of replicas given 3 regions",
]


def test_examples_are_ordered_from_trivial_to_hard() -> None:
    values = [complexity(text) for text in LADDER]
    assert all(easier < harder for easier, harder in pairwise(values)), values
    assert values[0] < 0.05
    assert values[-1] > 0.6


@pytest.mark.parametrize("text", LADDER)
def test_case_and_blanks_do_not_matter(text: str) -> None:
    padded = "\n \n" * 100 + text.upper() + " " * 500
    assert complexity(padded) == complexity(text)


@pytest.mark.parametrize(
    "suffix", [" please" * 500, " !!! ???" * 100, " 12 12" * 100, " ok." * 400, "\n- x" * 300, " (;=)" * 200]
)
@pytest.mark.parametrize("text", LADDER[:2])
def test_a_repetitive_suffix_hardly_moves_an_easy_request(text: str, suffix: str) -> None:
    assert complexity(text + suffix) - complexity(text) < 0.2


def test_code_and_mathematics_count() -> None:
    plain = "please look at this and tell me what you think"
    assert (
        complexity(plain + "\n```\nfor (int i = 0; i < n; i++) { total += a[i]; }\n```")
        > complexity(plain) + 0.1
    )
    assert complexity(plain + r" $\int_0^1 \frac{x}{1+x} dx$") > complexity(plain) + 0.1
    assert complexity(plain + ", (∑, ∫)") > complexity(plain) + 0.1


def test_long_texts_are_judged_by_head_and_tail() -> None:
    document = "the committee met and talked about parking. " * 3000
    assert (
        complexity(document + "Prove the theorem rigorously and derive the algorithm.")
        > complexity(document) + 0.2
    )


def test_bad_numbers_are_harmless() -> None:
    assert complexity("hello", turns=-5, max_tokens=-7) == complexity("hello")
    assert complexity("hello", turns=10**9, max_tokens=10**18) <= 1.0
