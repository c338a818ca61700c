"""The network behind the shipped model: text to probabilities, and nothing decided yet.

One run feeds every head, so that what a text *is* (a command, hard, personal) costs nothing beside what it asks for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.engines.model_folder import Calibration, Labels, ModelFolder, open_folder
from edge_runtime.nlu.catalogue import Catalogue
from edge_runtime.nlu.decode import (
    Span,
    Tagged,
    allowed_tags,
    read_tags,
    recovered,
    softmax,
    wanted,
    without_false_joints,
    written_words,
)

MAX_CHARS = 600
MAX_TOKENS = 128
MAX_EMBED_CHARS = 8_000
MAX_EMBED_TOKENS = 256
_COMMAND, _HARD, _TASKS = 0, 1, 2
"""Where the text head says: is it a command, is it hard, and from there on which task."""

_HEADS = ("intent_logits", "tag_logits", "sentence_vector", "text_logits", "personal_logits")
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawOutput:
    """What the network said about one sentence, before any judgement. ``command_probability``: that it is nothing
    but commands of the catalogue."""

    intent: str
    intent_probability: float
    command_probability: float
    tagged: Tagged
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """A second opinion on a text. ``task``: a word of `router_core.signals.task`; ``hard``: 0..1, that a small model
    would fail; ``personal``: marked personal data, by kind. Proxies learnt from made-up text: they may add to what
    rules found, never take away."""

    task: str
    task_probability: float
    command: float
    hard: float
    personal: tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outputs:
    intents: Floats
    tags: Floats
    vector: Floats
    text: Floats
    personal: Floats
    offsets: Sequence[tuple[int, int]]


class IntentNetwork:
    """Not thread-safe by contract: one thread owns it."""

    def __init__(self, session: Any, tokenizer: Any, labels: Labels, catalogue: Catalogue) -> None:
        self._session, self._tokenizer, self.labels, self.catalogue = session, tokenizer, labels, catalogue
        self._allowed = {name: allowed_tags(catalogue.intents[name], labels.tags) for name in labels.intents}

    @classmethod
    def load(cls, folder: Path, *, threads: int, verify: bool) -> "IntentNetwork":
        """Raises ``ModelFolderError`` when a file is missing or its sha256 is not the manifest's."""
        opened = open_folder(folder, verify=verify)
        return cls(_session(opened, threads), _tokenizer(opened), opened.labels, opened.catalogue)

    def raw(self, text: str) -> RawOutput:
        """The reading of one sentence, of which 600 characters are looked at."""
        out = self._run(text[:MAX_CHARS], MAX_TOKENS)
        chances = softmax(out.intents)
        best = int(chances.argmax())
        name = self.labels.intents[best]
        tags = softmax(out.tags) * self._allowed[name]
        tagged = read_tags(text, out.offsets, tags, self.labels.tags)
        tagged = replace(tagged, spans=without_false_joints(text, tagged.spans))
        missing = wanted(self.catalogue.intents[name], tagged.spans)
        if missing:
            words = written_words(text, out.offsets)
            tagged = recovered(words, tags, self.labels.tags, tagged, missing)
        return RawOutput(
            intent=name,
            intent_probability=float(chances[best]),
            command_probability=_chance(out.text[_COMMAND]),
            tagged=tagged,
            tokens=len(out.offsets),
        )

    def about(self, text: str) -> About:
        """What kind of text it is; the first 8,000 characters or 256 tokens of it."""
        seen = readable(text[:MAX_EMBED_CHARS])
        out = self._run(seen, MAX_EMBED_TOKENS)
        tasks = softmax(out.text[_TASKS:])
        best = int(tasks.argmax())
        return About(
            task=self.labels.tasks[best],
            task_probability=float(tasks[best]),
            command=_chance(out.text[_COMMAND]),
            hard=_chance(out.text[_HARD]),
            personal=read_tags(seen, out.offsets, softmax(out.personal), self.labels.personal).spans,
        )

    def vector(self, text: str) -> Floats:
        """Unit vector of 384 numbers."""
        return self._run(readable(text[:MAX_EMBED_CHARS]), MAX_EMBED_TOKENS).vector

    def _run(self, text: str, max_tokens: int) -> _Outputs:
        encoding = self._tokenizer.encode(text)
        if len(encoding.ids) > max_tokens:
            encoding.truncate(max_tokens)
        ids = np.array([encoding.ids], np.int64)
        found = self._session.run(_HEADS, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        intents, tags, vector, about, personal = (head[0] for head in found)
        return _Outputs(
            intents=intents, tags=tags, vector=vector, text=about, personal=personal, offsets=encoding.offsets
        )


def confidence_of(calibration: Calibration, raw: RawOutput) -> float:
    """Chance that intent and all slots are right, from the three weakest links of the network's answer."""
    score = (
        calibration.intent_weight * _logit(raw.intent_probability)
        + calibration.tag_weight * _logit(raw.tagged.weakest)
        + calibration.command_weight * _logit(raw.command_probability)
        + calibration.bias
    )
    return _chance(score)


def readable(text: str) -> str:
    """JSON may carry half of a surrogate pair, which no tokenizer takes; it becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def links(raw: RawOutput) -> tuple[float, float, float]:
    """What a confidence is made of, as log odds."""
    return _logit(raw.intent_probability), _logit(raw.tagged.weakest), _logit(raw.command_probability)


def _chance(logit: Any) -> float:
    return float(1.0 / (1.0 + np.exp(-np.clip(float(logit), -30.0, 30.0))))


def _logit(probability: float) -> float:
    bounded = min(max(probability, 1e-6), 1 - 1e-6)
    return float(np.log(bounded / (1 - bounded)))


def _session(opened: ModelFolder, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(opened.model), options, providers=["CPUExecutionProvider"])


def _tokenizer(opened: ModelFolder) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(opened.tokenizer))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
