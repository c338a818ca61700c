"""Runs the shipped intent model: a sentence in, commands with a calibrated confidence out.

Synchronous and without threads of its own; ``OwnerThread`` keeps it off the event loop. It answers
"I do not know" (``known`` is False) rather than guess: that is what lets a router escalate.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.engines.model_folder import Calibration, Labels, ModelFolder, open_folder
from edge_runtime.nlu.catalogue import NONE, Catalogue
from edge_runtime.nlu.decode import Command, Tagged, allowed_tags, assemble, read_tags, softmax, split_points

MAX_CHARS = 600
MAX_TOKENS = 128
MAX_EMBED_CHARS = 8_000
MAX_EMBED_TOKENS = 256
MAX_PARTS = 4
_JOINT = re.compile(r"\s(?:and then|and also|and|then|also)\s|,\s|;\s", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parse:
    """``commands`` is the best reading even when ``known`` is False; ``reason`` then says what is wrong.

    ``confidence`` estimates the chance that the whole answer is exactly right. ``latency_ms`` is
    the time inside ``parse``.
    """

    commands: tuple[Command, ...]
    intent: str
    confidence: float
    known: bool
    reason: str | None
    tokens_in: int
    latency_ms: float

    def as_json(self) -> dict[str, list[dict[str, object]]]:
        """The commands to execute: empty when the model does not know."""
        return {"commands": [command.as_json() for command in self.commands] if self.known else []}


@dataclass(frozen=True, slots=True, kw_only=True)
class RawOutput:
    """What the network said about one sentence, before any judgement."""

    intent: str
    intent_probability: float
    tagged: Tagged
    tokens: int


class OnnxIntentEngine:
    """Made by ``load``. Not thread-safe by contract: one thread owns it."""

    def __init__(self, session: Any, tokenizer: Any, labels: Labels, catalogue: Catalogue) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._labels = labels
        self._catalogue = catalogue
        self._allowed = {name: allowed_tags(catalogue.intents[name], labels.tags) for name in labels.intents}

    @classmethod
    def load(cls, folder: Path, *, threads: int = 1, verify: bool = True) -> "OnnxIntentEngine":
        """Raises ``ModelFolderError`` when a file is missing or its sha256 is not the manifest's.

        ``threads``: intra-op threads; 1 is fastest for a model this small on a busy machine.
        """
        opened = open_folder(folder, verify=verify)
        return cls(_session(opened, threads), _tokenizer(opened), opened.labels, opened.catalogue)

    @property
    def catalogue(self) -> Catalogue:
        return self._catalogue

    @property
    def threshold(self) -> float:
        """Confidence below which the shipped calibration refuses."""
        return self._labels.calibration.threshold

    def parse(self, text: str, *, threshold: float | None = None) -> Parse:
        """Never raises for any text. ``threshold`` overrides the shipped one (0..1)."""
        began = time.perf_counter()
        limit = self.threshold if threshold is None else threshold
        found = self._read(_readable(text), limit, parts_left=MAX_PARTS)
        return replace(found, latency_ms=(time.perf_counter() - began) * 1000)

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors [n, 384]. Texts run one by one: the int8 scale depends on what is in a batch.

        Text beyond 8,000 characters or 256 tokens is not read.
        """
        rows = [self._run(_readable(text[:MAX_EMBED_CHARS]), MAX_EMBED_TOKENS)[2] for text in texts]
        return np.concatenate(rows).astype(np.float32) if rows else np.zeros((0, 384), np.float32)

    def raw(self, text: str) -> RawOutput:
        """The network's answer without calibration or refusal; used to fit the calibration."""
        intents, tags, _, encoding = self._run(text[:MAX_CHARS], MAX_TOKENS)
        chances = softmax(intents[0])
        best = int(chances.argmax())
        name = self._labels.intents[best]
        return RawOutput(
            intent=name,
            intent_probability=float(chances[best]),
            tagged=read_tags(
                text, encoding.offsets, softmax(tags[0]) * self._allowed[name], self._labels.tags
            ),
            tokens=len(encoding.ids),
        )

    def _run(self, text: str, max_tokens: int) -> tuple[Any, Any, Any, Any]:
        encoding = self._tokenizer.encode(text)
        if len(encoding.ids) > max_tokens:
            encoding.truncate(max_tokens)
        ids = np.array([encoding.ids], np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        intents, tags, vectors = self._session.run(("intent_logits", "tag_logits", "sentence_vector"), feed)
        return intents, tags, vectors, encoding

    def _read(self, text: str, threshold: float, parts_left: int) -> Parse:
        if not text.strip():
            return _unknown(NONE, 1.0, "empty", 0)
        if len(text) > MAX_CHARS:
            return _unknown(NONE, 1.0, f"longer than {MAX_CHARS} characters", 0)
        raw = self.raw(text)
        if raw.tokens >= MAX_TOKENS:
            return _unknown(NONE, 1.0, f"longer than {MAX_TOKENS} tokens", raw.tokens)
        cuts = split_points(raw.tagged.spans)
        pieces = _pieces(text, cuts)
        if cuts and parts_left > 1 and 0 < len(pieces) <= parts_left:
            return self._parts(pieces, threshold, raw)
        whole = self._single(text, raw, threshold)
        if whole.known or raw.intent == NONE or parts_left == 1:
            return whole
        return self._at_joint(text, threshold, raw) or whole

    def _at_joint(self, text: str, threshold: float, raw: RawOutput) -> Parse | None:
        """Two commands that the network saw as one: parted at a joining word, if both halves are clear."""
        for joint in list(_JOINT.finditer(text))[: MAX_PARTS - 1]:
            halves = _pieces(text, (joint.span(),))
            if len(halves) < 2:
                continue
            parted = self._parts(halves, threshold, raw)
            if parted.known:
                return parted
        return None

    def _single(self, text: str, raw: RawOutput, threshold: float) -> Parse:
        if raw.intent == NONE:
            return _unknown(NONE, raw.intent_probability, "not a device command", raw.tokens)
        confidence = confidence_of(self._labels.calibration, raw)
        made = assemble(self._catalogue.intents[raw.intent], text, raw.tagged.spans)
        unsure = f"confidence {confidence:.2f} below {threshold:.2f}" if confidence < threshold else None
        reason = made.fault or unsure
        return Parse(
            commands=made.commands,
            intent=raw.intent,
            confidence=confidence if made.fault is None else 0.0,
            known=reason is None,
            reason=reason,
            tokens_in=raw.tokens,
            latency_ms=0.0,
        )

    def _parts(self, pieces: tuple[str, ...], threshold: float, raw: RawOutput) -> Parse:
        """Each command is read alone; all must be known, else the whole sentence is not."""
        parts = [self._read(piece, threshold, parts_left=1) for piece in pieces]
        weak = next((part for part in parts if not part.known), None)
        return Parse(
            commands=tuple(command for part in parts for command in part.commands),
            intent=parts[0].intent,
            confidence=min(part.confidence for part in parts) if weak is None else min(weak.confidence, 0.5),
            known=weak is None,
            reason=None if weak is None else f"one part: {weak.reason}",
            tokens_in=raw.tokens,
            latency_ms=0.0,
        )


def confidence_of(calibration: Calibration, raw: RawOutput) -> float:
    """Chance that intent and all slots are right, from the two weakest links of the network's answer."""
    score = (
        calibration.intent_weight * _logit(raw.intent_probability)
        + calibration.tag_weight * _logit(raw.tagged.weakest)
        + calibration.bias
    )
    return float(1.0 / (1.0 + np.exp(-score)))


def _pieces(text: str, cuts: tuple[tuple[int, int], ...]) -> tuple[str, ...]:
    """What stands between the cuts, without what is only punctuation."""
    bounds = [0, *(edge for cut in cuts for edge in cut), len(text)]
    pieces = (text[bounds[i] : bounds[i + 1]].strip(" ,;.") for i in range(0, len(bounds), 2))
    return tuple(piece for piece in pieces if piece)


def _readable(text: str) -> str:
    """JSON may carry half of a surrogate pair, which no tokenizer takes; it becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _logit(probability: float) -> float:
    bounded = min(max(probability, 1e-6), 1 - 1e-6)
    return float(np.log(bounded / (1 - bounded)))


def _unknown(intent: str, confidence: float, reason: str, tokens: int) -> Parse:
    return Parse(
        commands=(),
        intent=intent,
        confidence=confidence,
        known=False,
        reason=reason,
        tokens_in=tokens,
        latency_ms=0.0,
    )


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
