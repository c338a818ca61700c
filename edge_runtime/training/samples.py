"""Draws labelled sentences: what was said, which words are which slot, and the commands that are meant."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge_runtime.nlu.catalogue import NONE, Catalogue
from edge_runtime.nlu.decode import NEXT, Command, commands_of
from edge_runtime.nlu.values import Value, read_value
from edge_runtime.training.grammar import Filled, Hole, Phrase, Split, expand, fill, load_phrases
from edge_runtime.training.lexicon import Lexicon, load_values
from edge_runtime.training.noise import NoiseRates, disturb

_JOINTS = (
    " and ",
    " and then ",
    " then ",
    ", ",
    " and also ",
    ", and ",
    " after that ",
    " and please ",
    " also ",
)
_JOINTS_HELD = (" plus ", " and while you are at it ", ", then ", " followed by ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """``intent`` is None when there are two commands. ``spans``: (start, end, tag) in characters."""

    text: str
    intent: str | None
    spans: tuple[tuple[int, int, str], ...]
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What to draw: which phrasings, which values, how much is conversation and how much is two commands."""

    split: Split = "train"
    use_new: bool = False
    random_share: float = 0.45
    none_share: float = 0.24
    pair_share: float = 0.11
    noise: NoiseRates = field(default_factory=NoiseRates)


class Sampler:
    """Deterministic for a seed, a mix and a word list."""

    def __init__(self, catalogue: Catalogue, words: Sequence[str], mix: Mix, seed: int) -> None:
        self._catalogue = catalogue
        self._mix = mix
        self._rng = random.Random(seed)  # noqa: S311  # seeded sentences, no secret
        self._lexicon = Lexicon(
            rng=self._rng,
            values=load_values(),
            words=words,
            use_new=mix.use_new,
            random_share=mix.random_share,
        )
        self._phrases = _by_intent(load_phrases(), mix.split)
        self._train_phrases = _by_intent(load_phrases(), "train")
        self._intents = sorted(name for name in self._phrases if name != NONE)
        self._weights = [len(self._phrases[name]) ** 0.5 for name in self._intents]

    def draw(self) -> Sample:
        kind = self._rng.random()
        if kind < self._mix.none_share:
            return self.conversation()
        if kind < self._mix.none_share + self._mix.pair_share:
            return self.pair()
        return self.command()

    def command(self) -> Sample:
        filled, intent, values = self._fill()
        filled = disturb(filled, self._rng, self._mix.noise)
        return Sample(
            text=filled.text, intent=intent, spans=filled.spans, commands=self._meant(intent, filled, values)
        )

    def conversation(self) -> Sample:
        phrase = self._rng.choice(self._phrases[NONE])
        filled = fill(expand(phrase.root, self._rng), self._talk)
        filled = disturb(Filled(text=filled.text, spans=()), self._rng, self._mix.noise)
        return Sample(text=filled.text[:400], intent=NONE, spans=(), commands=())

    def pair(self) -> Sample:
        """Two commands, sometimes three; the words between them carry the tag ``next``."""
        text = ""
        spans: list[tuple[int, int, str]] = []
        said: list[tuple[str, list[Value | None]]] = []
        for turn in range(3 if self._rng.random() < 0.15 else 2):
            filled, intent, values = self._fill()
            if turn:
                joint = self._rng.choice(_JOINTS if self._mix.split == "train" else _JOINTS_HELD)
                start = len(text) + len(joint) - len(joint.lstrip())
                spans.append((start, len(text) + len(joint.rstrip()), NEXT))
                text += joint
            spans += [(a + len(text), b + len(text), slot) for a, b, slot in filled.spans]
            text += filled.text
            said.append((intent, values))
        noisy = disturb(Filled(text=text, spans=tuple(spans)), self._rng, self._mix.noise)
        return Sample(text=noisy.text, intent=None, spans=noisy.spans, commands=self._all_meant(noisy, said))

    def _all_meant(self, filled: Filled, said: list[tuple[str, list[Value | None]]]) -> tuple[Command, ...]:
        rest = [span for span in filled.spans if span[2] != NEXT]
        commands: list[Command] = []
        for intent, values in said:
            own, rest = tuple(rest[: len(values)]), rest[len(values) :]
            commands += self._meant(intent, Filled(text=filled.text, spans=own), values)
        return tuple(commands)

    def _fill(self) -> tuple[Filled, str, list[Value | None]]:
        intent = self._rng.choices(self._intents, self._weights)[0]
        phrase = self._rng.choice(self._phrases[intent])
        slots = self._catalogue.intents[intent].slots
        values: list[Value | None] = []

        def value(hole: Hole) -> str:
            words, meant = self._lexicon.surface(intent, hole, slots[hole.slot].type)
            values.append(meant)
            return words

        return fill(expand(phrase.root, self._rng), value), intent, values

    def _meant(self, intent: str, filled: Filled, values: list[Value | None]) -> tuple[Command, ...]:
        known = self._catalogue.intents[intent]
        found: list[tuple[str, Value]] = []
        for (start, end, slot), value in zip(filled.spans, values, strict=True):
            read = value if value is not None else read_value(known.slots[slot].type, filled.text[start:end])
            if read is None:
                raise ValueError(f"{intent}.{slot} cannot be read: {filled.text[start:end]!r}")
            found.append((slot, read))
        commands = commands_of(known, found)
        if commands is None:
            raise ValueError(f"{intent} gives a slot twice: {filled.text!r}")
        return commands

    def _talk(self, hole: Hole) -> str:
        if hole.slot != "command":
            return self._lexicon.plain(hole)
        intent = self._rng.choice([name for name in self._intents if name in self._train_phrases])
        phrase = self._rng.choice(self._train_phrases[intent])
        slots = self._catalogue.intents[intent].slots
        return fill(
            expand(phrase.root, self._rng), lambda h: self._lexicon.surface(intent, h, slots[h.slot].type)[0]
        ).text


def _by_intent(phrases: tuple[Phrase, ...], split: Split) -> dict[str, list[Phrase]]:
    found: dict[str, list[Phrase]] = {}
    for phrase in phrases:
        if phrase.split == split:
            found.setdefault(phrase.intent, []).append(phrase)
    return found
