"""Fits the words that tell a command from talk, for the signals that read every text: `python -m edge_runtime.training.command_words`.

Single words and pairs of neighbours, each with a weight, fitted to the sentences that the device model is trained on. Weights
are rounded and small ones left out, so that the list stays short enough to lie in the code.
"""

import argparse
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from edge_runtime.nlu.catalogue import load_catalogue
from edge_runtime.training.body import Teacher
from edge_runtime.training.samples import Mix, Sampler
from edge_runtime.training.vocabulary import whole_words
from router_core.signals.command_words import MAX_WORDS, features
from router_core.signals.reading import read

SENTENCES, ROUNDS, STEP, SHRINK = 60_000, 6, 0.3, 0.15
SEEN, COARSE, MOST = 24, 0.25, 3.0
"""How often a feature must be seen, to what its weight is rounded, and the largest: what is nothing then is left out."""
_HEAD = '''"""Words and pairs of neighbours that tell a command from talk, by weight. Made by `edge_runtime.training.command_words`.

`^` and `$` are the ends of the sentence, `_` stands between the words of a pair.
"""

from typing import Final

BIAS: Final = {bias}
# fmt: off
WEIGHTS: Final = (
'''


def drawn(seed: int, count: int) -> list[tuple[list[str], bool]]:
    """Sentences as the signals read them, and whether each holds a command."""
    words = whole_words(Teacher.load().tokenizer_json, held_out=False)
    sampler = Sampler(load_catalogue(), words, Mix(), seed)
    samples = ((read(one.text).words, bool(one.commands)) for one in (sampler.draw() for _ in range(count)))
    return [(said, command) for said, command in samples if 0 < len(said) <= MAX_WORDS]


def fitted(sentences: Sequence[tuple[list[str], bool]], seed: int) -> tuple[dict[str, float], float]:
    """Weights of the logistic regression, by AdaGrad (Duchi et al., 2011), drawn towards 0 after each round."""
    counts = Counter(feature for said, _ in sentences for feature in features(said))
    known = [feature for feature, seen in counts.items() if seen >= SEEN and feature.isascii()]
    place = {feature: number for number, feature in enumerate(known) if not any(c.isdigit() for c in feature)}
    rows = [[place[feature] for feature in features(said) if feature in place] for said, _ in sentences]
    weights, squares, bias = np.zeros(len(known)), np.full(len(known), 1e-8), 0.0
    chance = np.random.default_rng(seed)
    for _ in range(ROUNDS):
        for number in chance.permutation(len(rows)):
            row = rows[number]
            error = 1.0 / (1.0 + np.exp(-weights[row].sum() - bias)) - sentences[number][1]
            squares[row] += error * error
            weights[row] -= STEP * error / np.sqrt(squares[row])
            bias -= 0.002 * error
        weights -= np.sign(weights) * np.minimum(np.abs(weights), SHRINK)
    return {feature: float(weights[number]) for feature, number in place.items()}, bias


def page(weights: dict[str, float], bias: float) -> str:
    """The module that holds them."""
    levels: dict[float, list[str]] = defaultdict(list)
    for feature, weight in weights.items():
        levels[round(min(MOST, max(-MOST, weight)) / COARSE) * COARSE].append(feature.replace(" ", "_"))
    del levels[0.0]
    return (
        _HEAD.format(bias=round(bias, 2)) + "".join(_level(*each) for each in sorted(levels.items())) + ")\n"
    )


def _level(weight: float, found: Iterable[str]) -> str:
    lines = textwrap.wrap(" ".join(sorted(found)), 101)
    quoted = "\n".join(f'     "{line} "' for line in lines)
    return f"    ({weight},\n{quoted}),\n"


def main() -> None:
    """Write the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("router_core/signals/command_weights.py"))
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    weights, bias = fitted(drawn(options.seed, SENTENCES), options.seed)
    options.out.write_text(page(weights, bias))


if __name__ == "__main__":
    main()
