"""A new model's head from few judged answers: its quality as a logistic function of how hard the known models find a text.

What makes a question hard is shared: a few principal components of all known heads' logits carry it. So a new model
needs weights for these only, drawn towards what its makers declare of it, and about a hundred judged answers instead
of thousands. Before any answer the declared quality stands alone.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from router_core.learning.logistic import fit_logistic, log_odds, sigmoid
from router_core.record import dataclass

Doubles = NDArray[np.float64]
COMPONENTS: Final = 4
RIDGE: Final = 6.0
LEVEL_RIDGE: Final = 2.0
"""How strongly the declared quality holds the level: about eight judged answers' worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """Mean logits of the known heads, and directions (heads x `COMPONENTS`) scaled to a variance of one."""

    mean: Doubles
    directions: Doubles

    def of(self, logits: Doubles) -> Doubles:
        """Rows x `COMPONENTS`."""
        result: Doubles = (logits - self.mean) @ self.directions
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHead:
    """Level and one weight per component."""

    weights: tuple[float, ...]

    def chances(self, components: Doubles) -> Doubles:
        """Chance of a good answer per row."""
        return sigmoid(components @ np.array(self.weights[1:]) + self.weights[0])


def principal_components(logits: Doubles) -> Components:
    """Components of known heads' logits on any texts (no judgement is needed for them)."""
    mean = logits.mean(axis=0)
    values, directions = np.linalg.eigh(np.cov((logits - mean).T))
    order = np.argsort(values)[::-1][:COMPONENTS]
    main = directions[:, order] / np.sqrt(np.maximum(values[order], 1e-9))
    main *= np.sign(main[np.abs(main).argmax(axis=0), range(main.shape[1])])
    # The first component is overall ease: turned so that easier is more.
    main[:, 0] *= np.sign(main[:, 0].sum()) or 1.0
    return Components(mean=mean, directions=main)


def fit_new_head(components: Doubles, scores: Doubles, *, declared_quality: float) -> NewHead:
    """Fit from the components of judged texts and their scores in [0, 1]; no rows give the declared prior."""
    columns = components.shape[1]
    centre = np.array([float(log_odds(np.array([declared_quality]))[0]), 0.5] + [0.0] * (columns - 1))
    if not len(scores):
        return NewHead(weights=tuple(float(w) for w in centre))
    x = np.concatenate((np.ones((len(scores), 1)), components), axis=1)
    ridge = np.array([LEVEL_RIDGE] + [RIDGE] * columns)
    weights = fit_logistic(x, scores, ridge=ridge, centre=centre)
    return NewHead(weights=tuple(float(w) for w in weights))
