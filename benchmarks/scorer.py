"""What the learned scorer is worth on questions it has not seen, beside the committed baseline, and what it costs.

Cross-validated by group on the tables that TIERWISE_ROUTING_DATA names: other questions of known sources, and whole
subjects and sources that were left out. Standard errors and the lower bounds of the gains are from resampled groups.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from agents.context import ContextAgent
from benchmarks.decide import CHARACTERS, table_of
from benchmarks.figures import Effort, Section, SkippedError, Table, percentile, shown
from benchmarks.scorer_figures import (
    Judged,
    averaged,
    calibration,
    checked,
    joined,
    judged,
    lines,
    mixed,
    of_workload,
    peers,
    raw_of,
    rendered,
    tiers,
)
from benchmarks.scorer_runs import Bench, baseline, few_labels, fitted_on, open_bench, say, scored
from benchmarks.signals import texts
from router_core.adapters.scorer_weights import PACKAGED, foresee, open_scorer
from router_core.inference import Caller, InferenceRequest
from router_core.learning.scorer import Scorer
from router_core.learning.scorer_targets import TargetScorer, pairs_of
from router_core.learning.training.crossval import Split, question_folds, subject_folds
from router_core.learning.training.evaluation import Rows
from router_core.learning.training.measures import cost_usd_per_1k, latency_s
from router_core.learning.training.perturb import SUITE
from router_core.policy.parse import from_document
from router_core.routing.decide import decide

FOLDS: Final = 5
LABELS: Final = 1_500
DISTURBED: Final = 400
USD_WEIGHT: Final = 0.05
SECOND_WEIGHT: Final = 0.005
TIERS: Final = {"naiq": "nAIQ", "save98": "save@98", "save95": "save@95"}
MANY_SUBJECTS: Final = ("mmlupro", "bfcl", "rl_mmlu")
_NOTE: Final = """\
{rows} questions, {folds} folds by group. "gain" is over the committed baseline (logistic regression on hashed words fitted
per table, mean lengths of the table) on the same resampled groups, "at least" its lower 95% bound; below zero it is no
proven gain. The mixture has as many questions of each table as the benchmark's own mixture of unseen questions, on which
the floors were set, and means over sixteen draws; "tables alike" takes up to 535 of each, which is more of the hard and dear
ones. "answer checked" escalates by the strong model's chance less that of the checked answer, "by the check alone" by the
latter. The shares of the three readings and the ridges are constants that were chosen on these tables, so the figures
are somewhat optimistic."""
_UNSEEN_NOTE: Final = """\
"unseen" leaves out every third subject or source at a time, means over the three; the three constants of how far a tier's
head takes over were chosen on these folds. A left-out table's lengths and levels can hardly be read from its text; "told the
lengths alone" is a router that knows every true length and each tier's true mean, and nothing of the text. "unseen
subjects" are those of tables whose other subjects are known."""
_FLIP_NOTE: Final = """\
Share of {n} unseen questions of the mixture whose tier changes when they are written differently; the tier is the
highest quality less 0.05 per USD per thousand requests and 0.005 per second."""


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
    header = ("figure", "scorer", "baseline", "gain", "at least", "floor")
    flips = _flips(bench, *first)
    speed = _speed(effort.calls)
    return Section(
        name="scorer",
        tables=(
            Table(
                title="Learned scorer: quality of routing",
                header=header,
                rows=tuple(_known(known)),
                note=_NOTE.format(rows=len(rows.uids), folds=folds),
            ),
            Table(
                title="Learned scorer: quality where labels are few or the subject is unseen",
                header=header,
                rows=(*_few(bench), *_unseen(unseen)),
                note=_UNSEEN_NOTE,
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
        parts.append(judged(bench, scored(bench, scorer, out), baseline(bench, fit, out)))
    if first is None:
        raise RuntimeError("no folds")
    return parts, first


def _known(parts: Sequence[Judged]) -> list[tuple[str, ...]]:
    whole = {
        name: tuple(joined([part[name][side] for part in parts if name in part]) for side in (0, 1))
        for name in parts[0]
    }
    found = rendered(
        of_workload(whole, tiers),
        {
            "naiq": ("mixture: nAIQ", 0.20),
            "save98": ("mixture: save@98", 0.45),
            "save95": ("mixture: save@95", 0.72),
            "mix98": ("a random mix: save@98", None),
            "mix95": ("a random mix: save@95", None),
        },
    )
    found += rendered(of_workload(whole, calibration), {"ece": ("mixture: excess ECE", 0.01)})
    even = {key: (f"tables alike: {title}", None) for key, title in TIERS.items()}
    found += lines(mixed(whole), tiers, even)
    pair = {"apgr": ("APGR", 0.70), "cpt80": ("CPT80", 54.0)}
    for name, title, floors in (
        ("rl_mmlu", "MMLU, Mixtral and GPT-4", pair),
        ("rl_gsm8k", "GSM8K, Mixtral and GPT-4", {"apgr": ("APGR", 0.65)}),
    ):
        found += lines(whole[name], peers, {k: (f"{title}: {t}", f) for k, (t, f) in floors.items()})
    for name, title, floor in (("gsm8k", "GSM8K", 0.85), ("mmlupro", "MMLU-Pro", 0.69)):
        wanted = {
            "apgr": (f"{title}, answer checked: APGR", floor),
            "sure": (f"{title}, by the check alone: APGR", None),
        }
        found += lines(whole[name], checked, wanted)
    return found


def _unseen(parts: Sequence[Judged]) -> list[tuple[str, ...]]:
    """Means over folds: what is left out differs from fold to fold, and so does its best mix."""
    wanted = {
        key: (f"unseen mixture: {title}", 0.17 if key == "naiq" else None) for key, title in TIERS.items()
    }
    subjects = [raw_of(part[name], calibration) for part in parts for name in MANY_SUBJECTS if name in part]
    told = [tuple(map(_told_lengths, mixed(part))) for part in parts]
    return [
        *rendered(averaged([raw_of(mixed(part), tiers) for part in parts]), wanted),
        *rendered(
            averaged([raw_of(pair, tiers) for pair in told]),
            {"naiq": ("... told the lengths alone: nAIQ", None)},
        ),
        *rendered(
            averaged([raw_of(mixed(part), calibration) for part in parts]),
            {"ece": ("unseen mixture: excess ECE", 0.03)},
        ),
        *rendered(averaged(subjects), {"ece": ("unseen subjects: excess ECE", 0.03)}),
        *rendered(
            averaged([raw_of(part["rl_mmlu"], peers) for part in parts if "rl_mmlu" in part]),
            {"apgr": ("unseen MMLU subjects: APGR", None)},
        ),
    ]


def _told_lengths(rows: Rows) -> Rows:
    """Who knows the true lengths and nothing of the text: what lengths alone are worth."""
    return replace(rows, chance=np.tile(rows.score.mean(axis=0), (len(rows.score), 1)), expected=rows.cost)


def _few(bench: Bench) -> list[tuple[str, ...]]:
    say(f"{LABELS} labels of MMLU")
    fit, out = few_labels(bench, "rl_mmlu", LABELS)
    part = judged(bench, scored(bench, fitted_on(bench, fit), out), baseline(bench, fit, out))
    return lines(part["rl_mmlu"], peers, {"apgr": (f"MMLU, {LABELS:,} labels of it: APGR", 0.64)})


def _flips(bench: Bench, scorer: Scorer, out: Any) -> dict[str, float]:
    known, draw = bench.material.judged, random.Random(1)
    three = {
        n: TargetScorer(scorer, pairs_of(s.models)) for n, s in bench.by_name.items() if len(s.models) == 3
    }
    rows = [int(r) for r in out if known.sources[known.source[r]] in three]
    some = draw.sample(rows, min(DISTURBED, len(rows)))
    shares = {}
    for name, change in SUITE.items():
        changed = 0
        for row in some:
            targets, text = three[known.sources[known.source[row]]], known.texts[row]
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
