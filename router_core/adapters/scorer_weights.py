"""Opens a scorer's weights: mapped into memory, checked against the card beside them, once per file.

The packaged file costs nothing until the first text is scored; several processes on one machine share its pages.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from functools import lru_cache
from pathlib import Path
from typing import Final

from router_core.errors import ConfigurationError
from router_core.learning.scorer import Predicted, Scorer
from router_core.learning.scorer_file import Array, packed, unpacked

PACKAGED: Final = Path(__file__).parents[1] / "data" / "scorer-v1.bin"
MAX_BYTES: Final = 64 * 1024 * 1024


@lru_cache(maxsize=4)
def open_scorer(path: Path = PACKAGED) -> Scorer:
    """The scorer of a file. Raises `ConfigurationError` naming the file."""
    arrays, card = open_arrays(path)
    return Scorer(arrays, card)


def foresee(text: str) -> Predicted:
    """What the packaged scorer expects per tier; its weights are mapped when the first text comes."""
    return open_scorer().predict(text)


def open_arrays(path: Path = PACKAGED) -> tuple[dict[str, Array], dict[str, object]]:
    """The arrays, as views of the mapped file, and the card inside it."""
    try:
        with path.open("rb") as file:
            if not 0 < path.stat().st_size <= MAX_BYTES:
                raise ConfigurationError(f"{path}: not a file of scorer weights")
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror or error})") from error
    _match(path, mapped)
    return unpacked(memoryview(mapped))


def write_scorer(path: Path, arrays: dict[str, Array], card: dict[str, object]) -> str:
    """Write the weights and the card beside them; returns the weights' SHA-256."""
    raw = packed(arrays, card)
    sha256 = hashlib.sha256(raw).hexdigest()
    beside = {
        "file": path.name,
        "sha256": sha256,
        "bytes": len(raw),
        **{key: value for key, value in card.items() if key not in ("heads", "check")},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    _card(path).write_text(json.dumps(beside, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return sha256


def _match(path: Path, mapped: mmap.mmap) -> None:
    """A card beside the weights must name them; weights without a card are taken as they are."""
    try:
        said = json.loads(_card(path).read_text(encoding="utf-8"))["sha256"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{_card(path)}: not a readable card") from error
    if said != hashlib.sha256(mapped).hexdigest():
        raise ConfigurationError(f"{path}: does not have the checksum of its card")


def _card(path: Path) -> Path:
    return path.with_suffix(".json") if path.suffix != ".json" else path.with_suffix(".card.json")
