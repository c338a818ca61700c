"""Runs the shipped intent model: a sentence in, commands with a calibrated confidence out.

Synchronous and without threads of its own; ``OwnerThread`` keeps it off the event loop. It answers
"I do not know" (``known`` is False) rather than guess: that is what lets a router escalate.
"""

import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_runtime.engines.intent_network import (
    MAX_CHARS,
    MAX_TOKENS,
    About,
    IntentNetwork,
    RawOutput,
    confidence_of,
    readable,
)
from edge_runtime.nlu.catalogue import NONE, Catalogue
from edge_runtime.nlu.decode import Command, assemble, split_points

MAX_PARTS = 4
NEVER = 1.0
"""A confidence that no answer has."""

_JOINT = re.compile(r"\s(?:and then|and also|and|then|also)\s|,\s|;\s", re.IGNORECASE)
_VERB = re.compile(r"(?:\w+ ){0,6}?(?:turn|switch|shut|power) (?:on|off)\b", re.IGNORECASE)
"""What a second command may borrow from the first: "turn off the lights and the fan"."""


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


class OnnxIntentEngine:
    """Made by ``load``. Not thread-safe by contract: one thread owns it."""

    def __init__(self, network: IntentNetwork) -> None:
        self._network = network

    @classmethod
    def load(cls, folder: Path, *, threads: int = 1, verify: bool = True) -> "OnnxIntentEngine":
        """Raises ``ModelFolderError`` when a file is missing or its sha256 is not the manifest's.

        ``threads``: intra-op threads; 1 is fastest for a model this small on a busy machine.
        """
        return cls(IntentNetwork.load(folder, threads=threads, verify=verify))

    @property
    def catalogue(self) -> Catalogue:
        return self._network.catalogue

    @property
    def threshold(self) -> float:
        """Confidence below which the shipped calibration refuses."""
        return self._network.labels.calibration.threshold

    def threshold_for(self, wrong: float) -> float:
        """Confidence from which at most this share of the accepted answers is wrong, as calibrated on unseen
        phrasings: the next stricter share of the model's table, `NEVER` below the strictest."""
        table = self._network.labels.calibration.thresholds
        shares = [share for share in table if share <= wrong]
        return table[max(shares)] if shares else NEVER

    def parse(self, text: str, *, threshold: float | None = None) -> Parse:
        """Never raises for any text. ``threshold`` overrides the shipped one (0..1)."""
        began = time.perf_counter()
        limit = self.threshold if threshold is None else threshold
        found = self._read(readable(text), limit, parts_left=MAX_PARTS)
        return replace(found, latency_ms=(time.perf_counter() - began) * 1000)

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors [n, 384]. Texts run one by one: the int8 scale depends on what is in a batch.

        Text beyond 8,000 characters or 256 tokens is not read.
        """
        rows = [self._network.vector(text) for text in texts]
        return np.stack(rows).astype(np.float32) if rows else np.zeros((0, 384), np.float32)

    def about(self, text: str) -> About:
        """Task, difficulty and personal data as the network sees them."""
        return self._network.about(text)

    def raw(self, text: str) -> RawOutput:
        """The network's answer without calibration or refusal; used to fit the calibration."""
        return self._network.raw(text)

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
        if raw.intent != NONE and cuts and parts_left > 1 and 1 < len(pieces) <= parts_left:
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
        confidence = confidence_of(self._network.labels.calibration, raw)
        made = assemble(self.catalogue.intents[raw.intent], text, raw.tagged.spans)
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
        parts = [self._part(pieces[0], "", threshold)]
        parts += [self._part(piece, pieces[at], threshold) for at, piece in enumerate(pieces[1:])]
        weak = next((part for part in parts if not part.known), None)
        all_right = math.prod(part.confidence for part in parts)
        return Parse(
            commands=tuple(command for part in parts for command in part.commands),
            intent=parts[0].intent,
            confidence=all_right if weak is None else min(weak.confidence, 0.5),
            known=weak is None,
            reason=None if weak is None else f"one part: {weak.reason}",
            tokens_in=raw.tokens,
            latency_ms=0.0,
        )

    def _part(self, piece: str, before: str, threshold: float) -> Parse:
        """A part that is no command alone may borrow the verb of the one before it."""
        alone = self._read(piece, threshold, parts_left=1)
        borrowed = None if alone.known else _VERB.match(before)
        if borrowed is None:
            return alone
        joined = self._read(f"{borrowed[0]} {piece}", threshold, parts_left=1)
        return joined if joined.known else alone


def _pieces(text: str, cuts: tuple[tuple[int, int], ...]) -> tuple[str, ...]:
    """What stands between the cuts, without what is only punctuation."""
    bounds = [0, *(edge for cut in cuts for edge in cut), len(text)]
    pieces = (text[bounds[i] : bounds[i + 1]].strip(" ,;.") for i in range(0, len(bounds), 2))
    return tuple(piece for piece in pieces if piece)


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
