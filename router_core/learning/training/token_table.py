"""What single word pieces mean, distilled once from a small sentence encoder.

Each piece of the encoder's vocabulary is passed through it alone; the vectors are centred and reduced to their main
directions. A text is then the weighted sum of its pieces, which costs microseconds where the encoder costs
milliseconds. The encoder (all-MiniLM-L6-v2, Apache-2.0) is needed for this step only: the table travels inside the
scorer's weights, and `tierwise train` takes it from there.

`python -m router_core.learning.training.token_table MODEL_DIR OUT.npz` writes it anew.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
HEADS: Final = 12
LAYERS: Final = 6
BATCH: Final = 512
DIMENSIONS: Final = 64
EPSILON: Final = 1e-12
KEPT: Final = re.compile(r"(?:##)?(?:[a-z]+|[0-9]{1,4})|[!-/:-@\[-`{-~]|[^\W\d_]")
"""Pieces worth their bytes: Latin words and word ends, short numbers, punctuation, single letters of any script."""


def distil(folder: Path, dimensions: int = DIMENSIONS) -> tuple[list[str], Floats]:
    """The kept pieces and one row per piece: its vector in the encoder's main directions."""
    pieces = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    weights = read_safetensors(folder / "model.safetensors")
    kept = [i for i, piece in enumerate(pieces) if KEPT.fullmatch(piece)]
    ends = pieces.index("[CLS]"), pieces.index("[SEP]")
    parts = [
        _encode(weights, np.array(kept[start : start + BATCH]), ends) for start in range(0, len(kept), BATCH)
    ]
    return [pieces[i] for i in kept], _reduced(np.concatenate(parts), dimensions)


def read_safetensors(path: Path) -> dict[str, Floats]:
    """All float32 tensors of a file: eight bytes of header length, a JSON header, raw values."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header: dict[str, Any] = json.loads(raw[8 : 8 + size])
    return {
        name: np.frombuffer(raw, np.float32, offset=8 + size + one["data_offsets"][0], count=_count(one))
        .reshape(one["shape"])
        .copy()
        for name, one in header.items()
        if name != "__metadata__" and one["dtype"] == "F32"
    }


def _count(one: Mapping[str, Any]) -> int:
    return int(np.prod(one["shape"], dtype=np.int64))


def _reduced(vectors: Floats, dimensions: int) -> Floats:
    centred = vectors - vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True) + EPSILON
    values, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    main = directions[:, np.argsort(values)[::-1][:dimensions]]
    # An eigenvector's sign is free: fix it, so that the table is the same on every machine.
    main *= np.sign(main[np.abs(main).argmax(axis=0), range(main.shape[1])])
    result: Floats = (centred @ main.astype(np.float32)).astype(np.float32)
    return result


def _encode(weights: Mapping[str, Floats], ids: NDArray[np.int64], ends: Sequence[int]) -> Floats:
    """The encoder's mean vector of `[CLS] piece [SEP]` for each id."""
    sequence = np.stack([np.full_like(ids, ends[0]), ids, np.full_like(ids, ends[1])], axis=1)
    x = weights["embeddings.word_embeddings.weight"][sequence]
    x = x + weights["embeddings.position_embeddings.weight"][:3]
    x = x + weights["embeddings.token_type_embeddings.weight"][0]
    x = _normal(weights, "embeddings.LayerNorm", x)
    for layer in range(LAYERS):
        x = _layer(weights, f"encoder.layer.{layer}.", x)
    pooled: Floats = x.mean(axis=1)
    return pooled


def _layer(weights: Mapping[str, Floats], prefix: str, x: Floats) -> Floats:
    batch, length, width = x.shape
    shape = (batch, length, HEADS, width // HEADS)
    q, k, v = (
        _linear(weights, f"{prefix}attention.self.{name}", x).reshape(shape).transpose(0, 2, 1, 3)
        for name in ("query", "key", "value")
    )
    scores = q @ k.transpose(0, 1, 3, 2) / np.float32(np.sqrt(width // HEADS))
    chances = np.exp(scores - scores.max(axis=-1, keepdims=True))
    chances /= chances.sum(axis=-1, keepdims=True)
    mixed = (chances @ v).transpose(0, 2, 1, 3).reshape(batch, length, width)
    x = _normal(
        weights,
        f"{prefix}attention.output.LayerNorm",
        x + _linear(weights, f"{prefix}attention.output.dense", mixed),
    )
    wide = _gelu(_linear(weights, f"{prefix}intermediate.dense", x))
    return _normal(weights, f"{prefix}output.LayerNorm", x + _linear(weights, f"{prefix}output.dense", wide))


def _linear(weights: Mapping[str, Floats], name: str, x: Floats) -> Floats:
    result: Floats = x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
    return result


def _normal(weights: Mapping[str, Floats], name: str, x: Floats) -> Floats:
    centred = x - x.mean(axis=-1, keepdims=True)
    scale = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + EPSILON)
    result: Floats = centred / scale * weights[f"{name}.weight"] + weights[f"{name}.bias"]
    return result


def _gelu(x: Floats) -> Floats:
    # The tanh form: it differs from the exact one by less than 0.001, and numpy has no error function.
    result: Floats = (
        np.float32(0.5) * x * (1 + np.tanh(np.float32(0.7978845608) * (x + np.float32(0.044715) * x**3)))
    )
    return result


if __name__ == "__main__":
    found, rows = distil(Path(sys.argv[1]))
    np.savez_compressed(sys.argv[2], pieces=np.array(found), rows=rows)
