"""Answers `/v1/embeddings` on the stand-in node."""

from __future__ import annotations

import base64
import struct
import time
from collections.abc import Mapping
from typing import Any

from gateway.sandbox import prose
from gateway.sandbox.embedding import embed
from gateway.sandbox.mec_errors import ApiError

_MAX_INPUTS = 2_048


def input_texts(body: Mapping[str, Any]) -> list[str]:
    """The texts to embed. Raises `ApiError` 400."""
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not 1 <= len(texts) <= _MAX_INPUTS:
        raise ApiError(400, "input: Input should be a text or a list of texts", param="input")
    if not all(isinstance(text, str) for text in texts):
        raise ApiError(400, "input: the stand-in takes texts, not token ids", param="input")
    return texts


def count_tokens(texts: list[str]) -> int:
    """Prompt tokens of all texts."""
    return sum(max(1, prose.estimate_tokens(text)) for text in texts)


def embeddings_answer(body: Mapping[str, Any], texts: list[str], dimensions: int) -> dict[str, Any]:
    """The body of the answer, the vectors as numbers or, when asked, as base64 of 32-bit floats."""
    encode = _as_base64 if body.get("encoding_format") == "base64" else _as_numbers
    vectors = [encode(embed(text, dimensions)) for text in texts]
    data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    tokens = count_tokens(texts)
    return {
        "id": "embd-stand-in",
        "object": "list",
        "created": int(time.time()),
        "model": body["model"],
        "data": data,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0},
    }


def _as_numbers(vector: list[float]) -> object:
    return vector


def _as_base64(vector: list[float]) -> object:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
