"""The gate on judged answers: net utility beside never and always asking, by the model's accuracy and price.

Requests are the questions of the tables that TIERWISE_ROUTING_DATA names and that three tiers answered. The router sees the learned
scorer's figures, fitted without the half of the questions that it is then asked; what an answer is worth comes from its score and real length.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from agents.context import ContextAgent
from benchmarks.deliberation.world import (
    PRICES,
    STAKE_USD,
    Case,
    Worth,
    case,
    gated,
    lengths,
    table_of,
    worth,
)
from benchmarks.figures import Effort, Section, SkippedError, Table
from benchmarks.scorer_runs import Bench, fitted_on, open_bench, say
from router_core.inference import Caller, InferenceRequest
from router_core.learning.scorer import Predicted
from router_core.learning.training.crossval import question_folds
from router_core.learning.training.judged import Source
from router_core.learning.training.measures import cost_usd_per_1k

ACCURACIES: Final = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
FOLDS: Final = 2
UNKNOWN_TOKENS: Final = 100.0
TOLERANCE: Final = 0.002
Foreseen = Mapping[str, Predicted]
_NOTE: Final = """\
{n} questions in one shuffled order, every answer judged. A cell is the gate's mean net utility (quality less cost over {stake} USD per bad answer) less the
better of never asking ({never:+.4f}) and always asking and following; in brackets the share of requests about which it asked. Accuracy is the share of
questions to which the simulated model names the best target. The gate starts knowing nothing in every cell."""


def measure(effort: Effort) -> Section:
    """The grid; fitting the scorer takes ten minutes, the grid five."""
    try:
        bench = open_bench()
    except SkippedError as error:
        return Section(name="deliberation", tables=(), skipped=(f"deliberation: {error}",))
    return section(
        cases_of(bench.sources, _out_of_fold(bench)), ACCURACIES if effort.rounds > 1 else ACCURACIES[::3]
    )


def section(cases: Sequence[Case], accuracies: Sequence[float]) -> Section:
    """The table over the grid and the two figures that the goals speak of."""
    tokens = asyncio.run(lengths(cases))
    grid: dict[tuple[str, float], Worth] = {}
    for name, price in PRICES.items():
        for accuracy in accuracies:
            grid[name, accuracy] = asyncio.run(worth(cases, tokens, accuracy, price))
            say(f"{name} at {accuracy}: {grid[name, accuracy]}")
    gains = [one.gain for one in grid.values()]
    never = next(iter(grid.values())).never
    rows = tuple((name, *(_cell(grid[name, accuracy]) for accuracy in accuracies)) for name in PRICES)
    better = sum(gain > 0.0 for gain in gains)
    return Section(
        name="deliberation",
        tables=(
            Table(
                title="Deliberation: the gate over the better of never and always asking",
                header=("priced as", *(f"{accuracy:.2f}" for accuracy in accuracies)),
                rows=rows,
                note=_NOTE.format(n=len(cases), stake=STAKE_USD, never=never),
            ),
            Table(
                title="Deliberation: the grid in short",
                header=("figure", "value", "goal"),
                rows=(
                    ("worst cell", f"{min(gains):+.4f}", f"not below {-TOLERANCE}"),
                    ("cells better than both", f"{better} of {len(gains)}", "at least half"),
                    ("cells below the tolerance", str(sum(gain < -TOLERANCE for gain in gains)), "0"),
                ),
            ),
        ),
        figures={"gate_worst": min(gains), "gate_better": better / len(gains)},
    )


def _cell(found: Worth) -> str:
    return f"{found.gain:+.4f} ({found.asked:.0%})"


def cases_of(sources: Sequence[Source], foreseen: Foreseen, seed: int = 0) -> list[Case]:
    """Every question that all three tiers answered and that may go to each, decided, in one shuffled order."""
    policy = gated(share=1.0)
    table = table_of(policy)
    found = []
    for source in (one for one in sources if len(one.models) == 3):
        columns = source.columns
        for i, uid in enumerate(map(str, columns["uid"])):
            scores = [columns[f"s:{model}"][i] for model in source.models]
            if uid not in foreseen or any(score is None for score in scores):
                continue
            text = str(columns["text"][i])
            request = _request(uid, text)
            context = ContextAgent({text: foreseen[uid]}.__getitem__).read(request, policy)
            one = case(context, table, scores, _costs(columns, source.models, i, text))
            if one.open:
                found.append(one)
    random.Random(seed).shuffle(found)
    return found


def _request(uid: str, text: str) -> InferenceRequest:
    return InferenceRequest(
        request_id=uid,
        received_s=0.0,
        caller=Caller(tenant="bench", key_id="bench"),
        messages=({"role": "user", "content": text},),
        task="chat",
    )


def _costs(columns: Mapping[str, Any], models: Sequence[str], row: int, text: str) -> list[float]:
    """What each tier's answer cost, USD."""
    lengths = [float((columns.get(f"t:{m}") or {row: None})[row] or UNKNOWN_TOKENS) for m in models]
    per_1k = cost_usd_per_1k(np.array([float(len(text))]), np.array([lengths]))
    return [float(usd) / 1e3 for usd in per_1k[0]]


def _out_of_fold(bench: Bench) -> Foreseen:
    """What a scorer expects of questions that it was not fitted on."""
    rows, found = bench.material.judged, {}
    for i, (fit, out) in enumerate(question_folds(rows, FOLDS)):
        say(f"deliberation: scorer {i + 1} of {FOLDS}")
        scorer = fitted_on(bench, fit)
        found.update({rows.uids[row]: scorer.predict(rows.texts[row]) for row in out})
    return found
