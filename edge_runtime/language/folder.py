"""What a folder of a language model must hold, and that its tokenizer is read as it was meant.

onnxruntime-genai brings a tokenizer of its own, which reads some `tokenizer.json` files otherwise than the library that
wrote them, without an error. So both read the same sample texts once, when a folder is opened.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_runtime.engines.model_folder import LANGUAGE, MANIFEST, TOKENIZER, ModelFolderError, verify_files

CONFIG: Final = LANGUAGE
_LARGEST: Final = 1024 * 1024
SAMPLES: Final = (
    "Turn off the kitchen lights at 7:45, please!",
    "  two  spaces,\ttabs\nand\n\nlines ",
    "12345 67.89 1,000,000 0x7F",
    "Wie spät ist's? Fußgängerübergänge, naïve façade, Ελληνικά, русский",
    "你好，世界！ こんにちは 안녕하세요 مرحبا שלום नमस्ते",
    "🙂🚀 👩‍👩‍👧 e\u0301 \u00a0\u2009x",
    '{"json": [1, 2.5, null], "nested": {"a": "b\\n"}}',
    "def f(x):\n    return x ** 2  # don't, can't, we'll",
    "https://example.com/path?q=1&r=2 user.name+tag@example.org",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageFolder:
    """`context_tokens`: prompt and answer together."""

    path: Path
    context_tokens: int
    vocabulary: int


def is_language_folder(folder: Path) -> bool:
    """Whether this engine runs it, by what it holds."""
    return (folder / CONFIG).is_file()


def open_language_folder(folder: Path, *, verify: bool = True) -> LanguageFolder:
    """Raises `ModelFolderError`. A folder with a manifest is checked against it; one that the user made has none."""
    if verify and (folder / MANIFEST).is_file():
        verify_files(folder)
    if not (folder / TOKENIZER).is_file():
        raise ModelFolderError(f"{folder.name}: {TOKENIZER} is missing")
    try:
        text = (folder / CONFIG).read_bytes()
        model = json.loads(text)["model"] if len(text) <= _LARGEST else {}
        weights = model["decoder"]["filename"]
        found = LanguageFolder(
            path=folder, context_tokens=int(model["context_length"]), vocabulary=int(model["vocab_size"])
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFolderError(f"{folder.name}: {CONFIG} is not readable") from error
    if Path(weights).name != weights or not (folder / weights).is_file():
        raise ModelFolderError(f"{folder.name}: the weights that {CONFIG} names are missing")
    return found


def check_tokenizer(folder: Path, encode: Callable[[str], Sequence[int]]) -> None:
    """Raises `ModelFolderError` where `encode`, the engine's tokenizer, reads a sample otherwise than its author's."""
    from tokenizers import Tokenizer

    try:
        wanted = Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception as error:  # the library raises nothing narrower
        raise ModelFolderError(f"{folder.name}: {TOKENIZER} is not readable") from error
    for sample in SAMPLES:
        if list(encode(sample)) != wanted.encode(sample, add_special_tokens=False).ids:
            raise ModelFolderError(
                f"{folder.name}: the engine reads {TOKENIZER} otherwise than its author's library, token for token, "
                f"first in {sample[:24]!r}; convert the model again with a pre-tokenizer that it knows"
            )
