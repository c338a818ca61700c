"""How good a router is, in the figures its peers publish.

- APGR, CPT50, CPT80 (RouteLLM): how much of the strong model's lead is kept over all shares of strong calls, by decile
  thresholds; and the share of strong calls, in per cent, that keeps 50 or 80 per cent of it.
- nAIQ (RouterBench's AIQ, normalised): mean quality under the hull of cost and quality; 0 is the best random mix of
  single models, 1 an oracle that sees the outcomes. save@x: cost saved against always-best at x per cent of its quality.
- ECE over 15 bins of equal mass, less that of a perfect predictor that gives the same chances (simulated), because
  even a perfect one shows some on few rows.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
PRICES: Final = ((0.0, 0.0, 0.002), (0.88, 0.88, 0.0), (3.0, 15.0, 0.0))
"""Per tier USD per million tokens in and out, and USD per thousand requests for energy."""
FIRST_TOKEN_S: Final = np.array([0.10, 0.15, 1.14])
TOKEN_S: Final = np.array([1 / 25.0, 1 / 60.0, 0.0126])
PROMPT_TOKENS: Final = 60
CHARS_PER_TOKEN: Final = 4
TRADES: Final = np.concatenate(([0.0], np.geomspace(1e-4, 1e3, 400)))
BINS: Final = 15
GRID: Final = 2001


def cost_usd_per_1k(chars: Doubles, tokens: Doubles) -> Doubles:
    """USD per thousand requests, rows x tiers."""
    prompt = PROMPT_TOKENS + chars / CHARS_PER_TOKEN
    columns = [
        1e-3 * (prompt * p_in + tokens[:, j] * p_out) + floor for j, (p_in, p_out, floor) in enumerate(PRICES)
    ]
    return np.stack(columns, axis=1)


def latency_s(tokens: Doubles) -> Doubles:
    """Seconds to the whole answer, rows x tiers."""
    result: Doubles = FIRST_TOKEN_S + tokens * TOKEN_S
    return result


def peer_figures(score: Doubles, weak: Doubles, strong: Doubles) -> dict[str, float]:
    """APGR, CPT50 and CPT80 of "send the rows of highest score to the strong model"."""
    edges = np.quantile(score, np.linspace(0, 1, 11))
    shares, qualities = [], []
    for i, edge in enumerate(edges):
        sent = score >= edge if i < 10 else score > edge
        shares.append(sent.mean() * 100)
        qualities.append(np.where(sent, strong, weak).mean() * 100)
    order = np.argsort(shares, kind="stable")
    x, y = np.array(shares)[order], np.array(qualities)[order]
    low, lead = weak.mean() * 100, (strong.mean() - weak.mean()) * 100
    span = (x[-1] - x[0]) / 100
    apgr = (np.trapezoid(y, x / 100) - low * span) / (lead * span)
    return {
        "apgr": float(apgr),
        "cpt50": float(np.interp(0.5 * lead + low, y, x)),
        "cpt80": float(np.interp(0.8 * lead + low, y, x)),
    }


def tier_figures(quality: Doubles, expected: Doubles, cost: Doubles, score: Doubles) -> dict[str, float]:
    """nAIQ and the savings of "highest quality less trade-off times expected cost", over all trade-offs."""
    mean_cost, mean_score = cost.mean(axis=0), score.mean(axis=0)
    low, high = mean_cost.min(), mean_cost.max()
    mix = _hull(mean_cost, mean_score)
    ours = _hull(*_joined(_curve(quality, expected, cost, score), mean_cost, mean_score))
    best = _hull(*_joined(_curve(score + 1e-9, cost, cost, score), mean_cost, mean_score))
    areas = [_area(h, low, high) for h in (mix, ours, best)]
    top = mean_score.max()
    dear = mean_cost[mean_score.argmax()]
    figures = {"naiq": (areas[1] - areas[0]) / (areas[2] - areas[0])}
    for percent in (98, 95):
        figures[f"save{percent}"] = 1 - _cost_at(ours, percent / 100 * top) / dear
        figures[f"mix{percent}"] = 1 - _cost_at(mix, percent / 100 * top) / dear
    return figures


def _curve(quality: Doubles, expected: Doubles, cost: Doubles, score: Doubles) -> tuple[Doubles, Doubles]:
    rows = np.arange(len(score))
    costs, scores = [], []
    for trade in TRADES:
        chosen = np.argmax(quality - trade * expected, axis=1)
        costs.append(cost[rows, chosen].mean())
        scores.append(score[rows, chosen].mean())
    return np.array(costs), np.array(scores)


def _joined(curve: tuple[Doubles, Doubles], cost: Doubles, score: Doubles) -> tuple[Doubles, Doubles]:
    return np.concatenate((curve[0], cost)), np.concatenate((curve[1], score))


def _hull(cost: Doubles, score: Doubles) -> Doubles:
    """Upper concave hull of the points that are worth their cost."""
    hull: list[tuple[float, float]] = []
    best = -1.0
    for at in np.lexsort((-score, cost)):
        point = float(cost[at]), float(score[at])
        if point[1] <= best:
            continue
        best = point[1]
        while len(hull) >= 2 and _below(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return np.array(hull)


def _below(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    return (b[1] - a[1]) * (c[0] - b[0]) <= (c[1] - b[1]) * (b[0] - a[0])


def _area(hull: Doubles, low: float, high: float) -> float:
    return float(np.interp(np.linspace(low, high, GRID), hull[:, 0], hull[:, 1]).mean())


def _cost_at(hull: Doubles, score: float) -> float:
    return float("nan") if hull[:, 1].max() < score else float(np.interp(score, hull[:, 1], hull[:, 0]))


def ece(chance: Doubles, score: Doubles) -> float:
    """Expected calibration error over bins of equal mass."""
    p = np.clip(chance, 0, 1)
    edges = np.quantile(p, np.linspace(0, 1, BINS + 1))
    at = np.clip(np.searchsorted(edges, p, side="right") - 1, 0, BINS - 1)
    gaps = [
        (at == b).mean() * abs(p[at == b].mean() - score[at == b].mean())
        for b in range(BINS)
        if (at == b).any()
    ]
    return float(sum(gaps))


def excess_ece(chance: Doubles, score: Doubles, seed: int = 0, rounds: int = 20) -> float:
    """ECE less the mean ECE of a perfect predictor with the same chances."""
    draw = np.random.default_rng(seed)
    perfect = [ece(chance, (draw.random(len(chance)) < chance).astype(float)) for _ in range(rounds)]
    return ece(chance, score) - float(np.mean(perfect))


def brier(chance: Doubles, score: Doubles) -> float:
    """Mean squared error of a chance."""
    return float(np.mean((chance - score) ** 2))


def auc(chance: Doubles, score: Doubles) -> float:
    """Chance that a right answer has the higher prediction; NaN where all are alike."""
    right = score > 0.5
    many, few = int(right.sum()), int((~right).sum())
    if not many or not few:
        return float("nan")
    _, inverse, sizes = np.unique(chance, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[inverse]
    return float((ranks[right].sum() - many * (many + 1) / 2) / (many * few))
