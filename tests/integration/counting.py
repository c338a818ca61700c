"""What the model of this suite says: it counts. Shared by the program that builds it and the tests that read it."""

from __future__ import annotations

# The last number it says: the whole count and a short question fit into CONTEXT_TOKENS.
LAST = 900
CONTEXT_TOKENS = 1_024
SERVED_NAME = "counter"
# Nodes want a key on `/v1`, as every node outside a test should.
API_KEY = "edge-test-key"
QUESTION = "Count from one."
# The question in the chat template: three words, a dot, and the marks of user, end and assistant.
PROMPT_TOKENS = 7


def count(first: int = 1, last: int = LAST) -> str:
    """The text from one number to another; each number is one token."""
    return " ".join(str(number) for number in range(first, last + 1))
