"""Whether a test sentence is too near to a training sentence to test anything: edit distance, over many at once."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

NEAR = 3
"""Letters that may be added, left out or changed before two sentences count as two."""

_SIGNS = "abcdefghijklmnopqrstuvwxyz0123456789 '"
Counts = npt.NDArray[np.int16]


def near_pairs(tests: Sequence[str], trained: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs no further apart than `NEAR`. Lengths and letters are counted first: one edit changes one length, two
    counts at most."""
    ours, theirs = _counts(tests), _counts(trained)
    lengths = np.array([len(text) for text in trained])
    found: list[tuple[str, str]] = []
    for length in sorted({len(text) for text in tests}):
        rows = [at for at, text in enumerate(tests) if len(text) == length]
        columns = np.nonzero(np.abs(lengths - length) <= NEAR)[0]
        apart = np.zeros((len(rows), len(columns)), np.int16)
        for sign in range(theirs.shape[1]):
            apart += np.abs(ours[rows, sign][:, None] - theirs[columns, sign][None, :])
        for row, column in zip(*np.nonzero(apart <= 2 * NEAR), strict=True):
            left, right = tests[rows[int(row)]], trained[int(columns[int(column)])]
            if distance(left.lower(), right.lower()) <= NEAR:
                found.append((left, right))
    return found


def distance(left: str, right: str) -> int:
    """Levenshtein's distance; gives up above `NEAR` and then says `NEAR` + 1."""
    if abs(len(left) - len(right)) > NEAR:
        return NEAR + 1
    row = list(range(len(right) + 1))
    for at, letter in enumerate(left, 1):
        before, row[0] = row[0], at
        for place, other in enumerate(right, 1):
            changed = before + (letter != other)
            before, row[place] = row[place], min(changed, row[place] + 1, row[place - 1] + 1)
        if min(row) > NEAR:
            return NEAR + 1
    return row[-1]


def _counts(texts: Sequence[str]) -> Counts:
    return np.array([[text.lower().count(sign) for sign in _SIGNS] for text in texts], np.int16)
