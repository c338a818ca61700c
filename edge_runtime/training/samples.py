"""Draws labelled sentences: what was said, which words are which slot, and the commands that are meant."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge_runtime.nlu.catalogue import NONE, Catalogue
from edge_runtime.nlu.decode import NEXT, Command, Found, commands_of
from edge_runtime.nlu.values import Value, read_value
from edge_runtime.training.grammar import Filled, Hole, Phrase, Split, expand, fill, forms, load_phrases
from edge_runtime.training.lexicon import Lexicon, load_values
from edge_runtime.training.noise import NoiseRates, disturb
from edge_runtime.training.personal import KINDS

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
    " and also please ",
    "; ",
    " after that ",
    " then please ",
    ". ",
    " and now ",
    ", and then ",
    " as well as ",
    " next ",
    " and can you ",
    " and could you ",
    " & ",
)
LONGEST_TALK = 400
_JOINTS_HELD = (" plus ", " and while you are at it ", ", then ", " followed by ")


Place = tuple[int, int, str]
_NEGATED = ("don't ", "do not ", "please don't ", "never ", "you need not ")
_IMMEDIATE = frozenset(
    [
        "light",
        "thermostat",
        "volume",
        "lock_door",
        "unlock_door",
        "open_cover",
        "close_cover",
        "vacuum",
        "fan",
        "appliance",
        "scene",
        "security",
        "machine",
    ]
)
"""Intents without a time of their own: with a time or a condition around it they are another request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """``intent`` is None when there are two commands. ``spans``: (start, end, tag) in characters; ``personal``: the
    same for personal data. ``task`` and ``hard``: what a router would want to know; of a command all is said."""

    text: str
    intent: str | None
    spans: tuple[Place, ...]
    commands: tuple[Command, ...]
    personal: tuple[Place, ...] = ()
    task: str = "command"
    hard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What to draw: which phrasings, which values, how much is conversation and how much is two commands."""

    split: Split = "train"
    use_new: bool = False
    random_share: float = 0.4
    none_share: float = 0.21
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
        self._shares = {name: [_share(one) for one in known] for name, known in self._phrases.items()}
        self._train_phrases = _by_intent(load_phrases(), "train")
        self._intents = sorted(name for name in self._phrases if name != NONE)
        even = mix.split == "test"
        self._weights = [1.0 if even else len(self._phrases[name]) ** 0.4 for name in self._intents]

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
        phrase = self._rng.choices(self._phrases[NONE], self._shares[NONE])[0]
        filled = fill(expand(phrase.root, self._rng), self._talk)
        kept = tuple(span for span in filled.spans if span[2] in KINDS and span[1] <= LONGEST_TALK)
        filled = disturb(Filled(text=filled.text, spans=kept), self._rng, self._mix.noise)
        text = filled.text[:LONGEST_TALK]
        return Sample(
            text=text,
            intent=NONE,
            spans=(),
            commands=(),
            personal=filled.spans,
            task=phrase.task,
            hard=phrase.hard,
        )

    def pair(self) -> Sample:
        """Two commands, sometimes three; the words between them carry the tag ``next``."""
        if self._mix.split == "train" and self._rng.random() < 0.12:
            return self._shared_verb()
        parts = [self._fill() for _ in range(3 if self._rng.random() < 0.15 else 2)]
        negated = self._mix.split == "train" and self._rng.random() < 0.08
        text, spans = "", []
        for turn, (filled, _, _) in enumerate(parts):
            if turn:
                joint = self._rng.choice(_JOINTS if self._mix.split == "train" else _JOINTS_HELD)
                spans.append(
                    (len(text) + len(joint) - len(joint.lstrip()), len(text) + len(joint.rstrip()), NEXT)
                )
                text += joint + (self._rng.choice(_NEGATED) if negated else "")
            spans += [(a + len(text), b + len(text), slot) for a, b, slot in filled.spans]
            text += filled.text
        noisy = disturb(Filled(text=text, spans=tuple(spans)), self._rng, self._mix.noise)
        if negated:
            return Sample(text=noisy.text, intent=NONE, spans=noisy.spans, commands=())
        said = [(intent, values) for _, intent, values in parts]
        return Sample(text=noisy.text, intent=None, spans=noisy.spans, commands=self._all_meant(noisy, said))

    def _shared_verb(self) -> Sample:
        """ "turn off the lights and the fan": the second command borrows its verb from the first."""
        rng, verb, state = self._rng, self._rng.choice(("turn", "switch")), self._rng.choice(("on", "off"))
        text = f"{verb} {state} "
        spans: list[Place] = [(len(verb) + 1, len(text) - 1, "state")]
        commands: list[Command] = []
        kinds = rng.sample(("light", "fan", "appliance", "appliance"), 3 if rng.random() < 0.15 else 2)
        for turn, intent in enumerate(kinds):
            if turn:
                joint = rng.choice((" and ", " and ", ", ", " and also "))
                spans.append(
                    (len(text) + len(joint) - len(joint.lstrip()), len(text) + len(joint.rstrip()), NEXT)
                )
                text += joint
            slot, key = ("device", "place:device") if intent == "appliance" else ("room", "place:room")
            name = self._lexicon.open_words(key)
            text += rng.choice(("the ", "the ", "my ", ""))
            spans.append((len(text), len(text) + len(name), slot))
            value = read_value(self._catalogue.intents[intent].slots[slot].type, name)
            commands.append(Command(intent=intent, slots={"state": state, slot: value or name}))
            text += name + {"light": " lights", "fan": " fan", "appliance": ""}[intent]
        noisy = disturb(Filled(text=text, spans=tuple(spans)), rng, self._mix.noise)
        return Sample(text=noisy.text, intent=None, spans=noisy.spans, commands=tuple(commands))

    def _all_meant(self, filled: Filled, said: list[tuple[str, list[Value | None]]]) -> tuple[Command, ...]:
        rest = [span for span in filled.spans if span[2] != NEXT]
        commands: list[Command] = []
        for intent, values in said:
            own, rest = tuple(rest[: len(values)]), rest[len(values) :]
            commands += self._meant(intent, Filled(text=filled.text, spans=own), values)
        return tuple(commands)

    def _fill(self) -> tuple[Filled, str, list[Value | None]]:
        intent = self._rng.choices(self._intents, self._weights)[0]
        phrase = self._rng.choices(self._phrases[intent], self._shares[intent])[0]
        slots = self._catalogue.intents[intent].slots
        values: list[Value | None] = []

        def value(hole: Hole) -> str:
            words, meant = self._lexicon.surface(intent, hole, slots[hole.slot].type)
            values.append(meant)
            return words

        return fill(expand(phrase.root, self._rng), value), intent, values

    def _meant(self, intent: str, filled: Filled, values: list[Value | None]) -> tuple[Command, ...]:
        known = self._catalogue.intents[intent]
        found: list[Found] = []
        for (start, end, slot), value in zip(filled.spans, values, strict=True):
            words = filled.text[start:end]
            read = value if value is not None else read_value(known.slots[slot].type, words)
            if read is None:
                raise ValueError(f"{intent}.{slot} cannot be read: {words!r}")
            found.append(Found(slot=slot, words=words, value=read))
        commands = commands_of(known, found)
        if commands is None:
            raise ValueError(f"{intent} gives a slot twice: {filled.text!r}")
        return commands

    def _talk(self, hole: Hole) -> str:
        if hole.slot in KINDS:
            return self._lexicon.personal(hole.slot)
        if hole.slot not in {"command", "act"}:
            return self._lexicon.plain(hole)
        known = [name for name in self._intents if name in self._train_phrases]
        intent = self._rng.choice([name for name in known if hole.slot == "command" or name in _IMMEDIATE])
        phrase = self._rng.choice(self._train_phrases[intent])
        slots = self._catalogue.intents[intent].slots
        return fill(
            expand(phrase.root, self._rng), lambda h: self._lexicon.surface(intent, h, slots[h.slot].type)[0]
        ).text


def _share(phrase: Phrase) -> float:
    """A phrase of many forms is drawn more often than one of few, but not by as much."""
    return 1.0 + math.log2(forms(phrase.root)) / 3


def _by_intent(phrases: tuple[Phrase, ...], split: Split) -> dict[str, list[Phrase]]:
    found: dict[str, list[Phrase]] = {}
    for phrase in phrases:
        if phrase.split == split:
            found.setdefault(phrase.intent, []).append(phrase)
    return found
