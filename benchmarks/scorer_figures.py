"""The scorer's figures as lines of a table: with standard errors, beside the baseline's, on the same resampled groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from benchmarks.scorer_runs import Bench, Lines
from router_core.learning.training.evaluation import Rows, mixture_of, redrawn, resampled, rows_of
from router_core.learning.training.measures import excess_ece, peer_figures, tier_figures

Figures = Callable[[Rows], dict[str, float]]
Judged = dict[str, tuple[Rows, Rows]]
"""Per table: the scorer's rows and the baseline's."""
Raw = tuple[dict[str, float], dict[str, float], list[tuple[dict[str, float], dict[str, float]]]]
Wanted = Mapping[str, tuple[str, float | None]]
WORKLOAD: Final = {"mmlupro": 535, "gsm8k": 535, "bfcl": 515, "rb_arc": 504, "math5": 289, "rb_mbpp": 133}
"""Questions of each table in the mixture: as many as in the benchmark's own mixture of unseen questions, on which the
floors were set. The tables' sizes here would give more weight to the hard and dear ones."""
DRAWS: Final = 16
"""Which questions of a large table are in the mixture is chance; figures are means over so many draws."""
ROUNDS: Final = 60


def judged(bench: Bench, ours: Lines, theirs: Lines) -> Judged:
    """Both routers' rows per table."""
    found = {name: (rows_of(s, ours), rows_of(s, theirs)) for name, s in bench.by_name.items()}
    return {name: pair for name, pair in found.items() if len(pair[0].score)}


def lines(pair: tuple[Rows, ...], figures: Figures, wanted: Wanted) -> list[tuple[str, ...]]:
    """Some figures of some rows."""
    return rendered(raw_of(pair, figures), wanted)


def raw_of(pair: tuple[Rows, ...], figures: Figures) -> Raw:
    """Figures of both routers, and of both in resamples."""
    return figures(pair[0]), figures(pair[1]), resampled(pair[0], pair[1], figures)


def averaged(raws: Sequence[Raw]) -> Raw:
    """Means over folds or draws."""

    def mean(dicts: Sequence[dict[str, float]]) -> dict[str, float]:
        return {key: float(np.mean([one[key] for one in dicts])) for key in dicts[0]}

    rounds = range(len(raws[0][2]))
    return (
        mean([raw[0] for raw in raws]),
        mean([raw[1] for raw in raws]),
        [(mean([raw[2][i][0] for raw in raws]), mean([raw[2][i][1] for raw in raws])) for i in rounds],
    )


def rendered(raw: Raw, wanted: Wanted) -> list[tuple[str, ...]]:
    """Lines of the table: what is wanted by key, with its title and floor."""
    ours, theirs, again = raw
    found: list[tuple[str, ...]] = []
    for key, (title, floor) in wanted.items():
        sign = -1.0 if key in ("ece", "cpt80") else 1.0
        spread = float(np.std([one[0][key] for one in again]))
        gains = [sign * (one[0][key] - one[1][key]) for one in again]
        digits = 1 if key == "cpt80" else 3
        found.append(
            (
                title,
                f"{ours[key]:.{digits}f} ± {spread:.{digits}f}",
                f"{theirs[key]:.{digits}f}",
                f"{sign * (ours[key] - theirs[key]):+.{digits}f}",
                f"{float(np.quantile(gains, 0.025)):+.{digits}f}",
                "" if floor is None else f"{floor:g}",
            )
        )
    return found


def joined(rows: Sequence[Rows]) -> Rows:
    """Folds in one."""
    return Rows(**{n: np.concatenate([getattr(r, n) for r in rows]) for n in Rows.__dataclass_fields__})


def mixed(
    part: Mapping[str, tuple[Rows, ...]], workload: Mapping[str, int] | None = None, seed: int = 0
) -> tuple[Rows, Rows]:
    """The three-tier tables in one, as a workload has them or all alike."""
    three = {name: pair for name, pair in part.items() if pair[0].score.shape[1] == 3}
    bounds = None if workload is None else [workload[name] for name in three]
    ours, theirs = (mixture_of([pair[i] for pair in three.values()], seed, bounds) for i in (0, 1))
    return ours, theirs


def of_workload(part: Mapping[str, tuple[Rows, ...]], figures: Figures) -> Raw:
    """Figures of the benchmark's mixture, means over draws. Resampled are the groups of the whole tables, from which a
    mixture is then drawn, so that both kinds of chance are in the errors."""
    draws = [tuple(map(figures, mixed(part, WORKLOAD, seed))) for seed in range(DRAWS)]
    ours, theirs, _ = averaged([(one, other, []) for one, other in draws])
    return ours, theirs, [_redrawn(part, figures, seed) for seed in range(ROUNDS)]


def _redrawn(
    part: Mapping[str, tuple[Rows, ...]], figures: Figures, seed: int
) -> tuple[dict[str, float], dict[str, float]]:
    chance = np.random.default_rng(seed)
    again = {}
    for name, pair in part.items():
        at = redrawn(pair[0], chance)
        again[name] = tuple(rows.take(at) for rows in pair)
    ours, theirs = mixed(again, WORKLOAD, seed)
    return figures(ours), figures(theirs)


def tiers(rows: Rows) -> dict[str, float]:
    """Of three tiers."""
    return tier_figures(rows.chance, rows.expected, rows.cost, rows.score)


def peers(rows: Rows) -> dict[str, float]:
    """Of a weak and a strong model."""
    tie = 1e-9 * np.arange(len(rows.score))
    return peer_figures(rows.chance[:, -1] - rows.chance[:, 0] + tie, rows.score[:, 0], rows.score[:, -1])


def checked(rows: Rows) -> dict[str, float]:
    """Escalating by what is to be gained: the strong model's chance less that of the checked answer. The baseline, which
    has no check, escalates by its gap; `sure` goes by the checked chance alone."""
    gap, tie = rows.chance[:, -1] - rows.chance[:, 0], 1e-9 * np.arange(len(rows.score))
    unsure = np.isnan(rows.sure)
    need = np.where(unsure, gap, rows.chance[:, -1] - rows.sure) + tie
    alone = np.where(unsure, gap, -rows.sure) + tie
    weak, strong = rows.score[:, 0], rows.score[:, -1]
    found = peer_figures(need, weak, strong)
    return {**found, "sure": peer_figures(alone, weak, strong)["apgr"]}


def calibration(rows: Rows) -> dict[str, float]:
    """Mean excess ECE of the tiers."""
    columns = range(rows.score.shape[1])
    found = [excess_ece(rows.chance[:, j], rows.score[:, j], rounds=8) for j in columns]
    return {"ece": float(np.mean(found))}
