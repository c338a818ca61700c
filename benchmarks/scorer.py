"""What the learned scorer is worth on questions it has not seen, beside the committed baseline, and what it costs.

Cross-validated by group on the tables that TIERWISE_ROUTING_DATA names: other questions of known sources, and whole
subjects and sources that were left out. Standard errors and the lower bounds of the gains are from resampled groups.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from agents.context import ContextAgent
from benchmarks.decide import CHARACTERS, table_of
from benchmarks.figures import Effort, Section, SkippedError, Table, percentile, shown
from benchmarks.scorer_runs import Bench, Lines, baseline, few_labels, fitted_on, open_bench, say, scored
from benchmarks.signals import texts
from router_core.adapters.scorer_weights import PACKAGED, foresee, open_scorer
from router_core.inference import Caller, InferenceRequest
from router_core.learning.scorer import Scorer
from router_core.learning.scorer_targets import TargetScorer, pairs_of
from router_core.learning.training.crossval import Split, question_folds, subject_folds
from router_core.learning.training.evaluation import Rows, mixture_of, resampled, rows_of
from router_core.learning.training.measures import (
    cost_usd_per_1k,
    excess_ece,
    latency_s,
    peer_figures,
    tier_figures,
)
from router_core.learning.training.perturb import SUITE
from router_core.policy.parse import from_document
from router_core.routing.decide import decide

FOLDS: Final = 3
LABELS: Final = 1_500
DISTURBED: Final = 400
USD_WEIGHT: Final = 0.05
SECOND_WEIGHT: Final = 0.005
_NOTE: Final = """\
{rows} questions, {folds} folds by group; "unseen" leaves out every third subject or source at a time. "gain" is over the committed baseline
(logistic regression on hashed words, mean lengths) on the same resampled groups, "at least" its lower 95% bound. Fewer labels are used here than
the weights in the wheel were fitted on."""
_FLIP_NOTE: Final = """\
Share of {n} unseen questions of the mixture whose tier changes when they are written differently; the tier is the
highest quality less 0.05 per USD per thousand requests and 0.005 per second."""
Figures = Callable[[Rows], dict[str, float]]
Judged = dict[str, tuple[Rows, Rows]]
"""Per table: the scorer's rows and the baseline's."""


def measure(effort: Effort) -> Section:
    """All tables; minutes of fitting."""
    try:
        bench = open_bench()
    except SkippedError as error:
        return Section(name="scorer", tables=(), skipped=(f"scorer: {error}",))
    rows = bench.material.judged
    folds = FOLDS if effort.rounds > 1 else 2
    known, first = _folded(bench, question_folds(rows, folds), "questions")
    unseen, _ = _folded(bench, subject_folds(rows), "subjects and sources")
    lines = [*_known(known), *_few(bench), *_unseen(unseen)]
    flips = _flips(bench, *first)
    speed = _speed(effort.calls)
    return Section(
        name="scorer",
        tables=(
            Table(
                title="Learned scorer: quality of routing",
                header=("figure", "scorer", "baseline", "gain", "at least", "floor"),
                rows=tuple(lines),
                note=_NOTE.format(rows=len(rows.uids), folds=folds),
            ),
            Table(
                title="Learned scorer: tier changes when a text is written differently",
                header=("how", "tier changed"),
                rows=tuple((name, f"{share:.1%}") for name, share in flips.items()),
                note=_FLIP_NOTE.format(n=DISTURBED),
            ),
            Table(
                title="Learned scorer: p50 / p99 in microseconds of CPU, 440 characters",
                header=("what", "time"),
                rows=tuple(
                    (name, f"{shown(percentile(v, 0.5))} / {shown(percentile(v, 0.99))}")
                    for name, v in speed.items()
                ),
                note=f"One thread. The file in the wheel has {PACKAGED.stat().st_size / 1e6:.2f} MB.",
            ),
        ),
    )


def _folded(bench: Bench, splits: Sequence[Split], what: str) -> tuple[list[Judged], tuple[Scorer, Any]]:
    parts, first = [], None
    for i, (fit, out) in enumerate(splits):
        say(f"{what}: fold {i + 1} of {len(splits)}")
        scorer = fitted_on(bench, fit)
        first = first or (scorer, out)
        parts.append(_judged(bench, scored(bench, scorer, out), baseline(bench, fit, out)))
    if first is None:
        raise RuntimeError("no folds")
    return parts, first


def _judged(bench: Bench, ours: Lines, theirs: Lines) -> Judged:
    found = {name: (rows_of(s, ours), rows_of(s, theirs)) for name, s in bench.by_name.items()}
    return {name: pair for name, pair in found.items() if len(pair[0].score)}


def _known(parts: Sequence[Judged]) -> list[tuple[str, ...]]:
    whole = {
        name: tuple(_joined([part[name][side] for part in parts if name in part]) for side in (0, 1))
        for name in parts[0]
    }
    mixed = _mixed(whole)
    lines = _lines(
        mixed,
        _tiers,
        {
            "naiq": ("mixture: nAIQ", 0.20),
            "save98": ("mixture: save@98", 0.45),
            "save95": ("mixture: save@95", 0.72),
        },
    )
    lines += _lines(mixed, _calibration, {"ece": ("mixture: excess ECE", 0.01)})
    pair = {"apgr": ("APGR", 0.70), "cpt80": ("CPT80", 54.0)}
    for name, title, floors in (
        ("rl_mmlu", "MMLU, Mixtral and GPT-4", pair),
        ("rl_gsm8k", "GSM8K, Mixtral and GPT-4", {"apgr": ("APGR", 0.65)}),
    ):
        lines += _lines(whole[name], _peers, {k: (f"{title}: {t}", f) for k, (t, f) in floors.items()})
    for name, title, floor in (("gsm8k", "GSM8K", 0.85), ("mmlupro", "MMLU-Pro", 0.69)):
        lines += _lines(whole[name], _checked, {"apgr": (f"{title}, answer checked: APGR", floor)})
    return lines


def _unseen(parts: Sequence[Judged]) -> list[tuple[str, ...]]:
    """Means over folds: what is left out differs from fold to fold, and so does its best mix."""
    tiers = [_lines_raw(_mixed(part), _tiers) for part in parts]
    ece = [_lines_raw(_mixed(part), _calibration) for part in parts]
    wanted = {
        "naiq": ("unseen mixture: nAIQ", 0.17),
        "save98": ("unseen mixture: save@98", None),
        "save95": ("unseen mixture: save@95", None),
    }
    return [
        *_rendered(_averaged(tiers), wanted),
        *_rendered(_averaged(ece), {"ece": ("unseen mixture: excess ECE", 0.03)}),
        *_rendered(
            _averaged([_lines_raw(part["rl_mmlu"], _peers) for part in parts if "rl_mmlu" in part]),
            {"apgr": ("unseen MMLU subjects: APGR", None)},
        ),
    ]


def _few(bench: Bench) -> list[tuple[str, ...]]:
    say(f"{LABELS} labels of MMLU")
    fit, out = few_labels(bench, "rl_mmlu", LABELS)
    part = _judged(bench, scored(bench, fitted_on(bench, fit), out), baseline(bench, fit, out))
    return _lines(part["rl_mmlu"], _peers, {"apgr": (f"MMLU, {LABELS:,} labels of it: APGR", 0.64)})


# ---- figures -----------------------------------------------------------------------------------------------------------

Raw = tuple[dict[str, float], dict[str, float], list[tuple[dict[str, float], dict[str, float]]]]


def _lines(
    pair: tuple[Rows, ...], figures: Figures, wanted: Mapping[str, tuple[str, float | None]]
) -> list[tuple[str, ...]]:
    return _rendered(_lines_raw(pair, figures), wanted)


def _lines_raw(pair: tuple[Rows, ...], figures: Figures) -> Raw:
    return figures(pair[0]), figures(pair[1]), resampled(pair[0], pair[1], figures)


def _averaged(raws: Sequence[Raw]) -> Raw:
    def mean(dicts: Sequence[dict[str, float]]) -> dict[str, float]:
        return {key: float(np.mean([one[key] for one in dicts])) for key in dicts[0]}

    rounds = range(len(raws[0][2]))
    return (
        mean([raw[0] for raw in raws]),
        mean([raw[1] for raw in raws]),
        [(mean([raw[2][i][0] for raw in raws]), mean([raw[2][i][1] for raw in raws])) for i in rounds],
    )


def _rendered(raw: Raw, wanted: Mapping[str, tuple[str, float | None]]) -> list[tuple[str, ...]]:
    ours, theirs, again = raw
    lines: list[tuple[str, ...]] = []
    for key, (title, floor) in wanted.items():
        sign = -1.0 if key in ("ece", "cpt80") else 1.0
        spread = float(np.std([one[0][key] for one in again]))
        gains = [sign * (one[0][key] - one[1][key]) for one in again]
        digits = 1 if key == "cpt80" else 3
        lines.append(
            (
                title,
                f"{ours[key]:.{digits}f} ± {spread:.{digits}f}",
                f"{theirs[key]:.{digits}f}",
                f"{sign * (ours[key] - theirs[key]):+.{digits}f}",
                f"{float(np.quantile(gains, 0.025)):+.{digits}f}",
                "" if floor is None else f"{floor:g}",
            )
        )
    return lines


def _joined(rows: Sequence[Rows]) -> Rows:
    return Rows(**{n: np.concatenate([getattr(r, n) for r in rows]) for n in Rows.__dataclass_fields__})


def _mixed(part: Mapping[str, tuple[Rows, ...]]) -> tuple[Rows, Rows]:
    three = [pair for pair in part.values() if pair[0].score.shape[1] == 3]
    return mixture_of([pair[0] for pair in three]), mixture_of([pair[1] for pair in three])


def _tiers(rows: Rows) -> dict[str, float]:
    return tier_figures(rows.chance, rows.expected, rows.cost, rows.score)


def _peers(rows: Rows) -> dict[str, float]:
    tie = 1e-9 * np.arange(len(rows.score))
    return peer_figures(rows.chance[:, -1] - rows.chance[:, 0] + tie, rows.score[:, 0], rows.score[:, -1])


def _checked(rows: Rows) -> dict[str, float]:
    """Escalating by the check's chance; the baseline, which has none, escalates by its gap."""
    gap = rows.chance[:, -1] - rows.chance[:, 0]
    need = np.where(np.isnan(rows.sure), gap, -rows.sure) + 1e-9 * np.arange(len(gap))
    return peer_figures(need, rows.score[:, 0], rows.score[:, -1])


def _calibration(rows: Rows) -> dict[str, float]:
    tiers = range(rows.score.shape[1])
    return {"ece": float(np.mean([excess_ece(rows.chance[:, j], rows.score[:, j], rounds=8) for j in tiers]))}


# ---- robustness and speed ----------------------------------------------------------------------------------------------


def _flips(bench: Bench, scorer: Scorer, out: Any) -> dict[str, float]:
    judged, draw = bench.material.judged, random.Random(1)
    three = {
        n: TargetScorer(scorer, pairs_of(s.models)) for n, s in bench.by_name.items() if len(s.models) == 3
    }
    rows = [int(r) for r in out if judged.sources[judged.source[r]] in three]
    some = draw.sample(rows, min(DISTURBED, len(rows)))
    shares = {}
    for name, change in SUITE.items():
        changed = 0
        for row in some:
            targets, text = three[judged.sources[judged.source[row]]], judged.texts[row]
            changed += _tier(targets, text) != _tier(targets, change(text, draw))
        shares[name] = changed / len(some)
    return shares


def _tier(targets: TargetScorer, text: str) -> int:
    found = targets.predict(text)
    tokens = np.array([found.tokens])
    price = cost_usd_per_1k(np.array([float(len(text))]), tokens)[0]
    worth = np.array(found.quality) - USD_WEIGHT * price - SECOND_WEIGHT * latency_s(tokens)[0]
    return int(worth.argmax())


def _speed(calls: int) -> dict[str, list[float]]:
    scorer, agent, now = open_scorer(), ContextAgent(foresee), time.thread_time_ns
    policy, table = from_document({"scorer": {"share": 0.5}}), table_of(3)
    caller = Caller(tenant="bench", key_id="bench")
    pieces = [sample[i * 97 : i * 97 + CHARACTERS] for sample in texts().values() for i in range(64)]
    taken: dict[str, list[float]] = {"scorer": [], "signals, scorer and decision": []}
    for i in range(calls + calls // 10):
        text = pieces[i % len(pieces)]
        request = InferenceRequest(
            request_id=f"r{i}",
            received_s=0.0,
            caller=caller,
            task="chat",
            messages=({"role": "user", "content": text},),
        )
        start = now()
        scorer.predict(text)
        alone = now()
        decide(agent.read(request, policy), table)
        whole = now()
        if i >= calls // 10:
            taken["scorer"].append((alone - start) / 1e3)
            taken["signals, scorer and decision"].append((whole - alone) / 1e3)
    return taken
