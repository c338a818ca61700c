"""`tierwise predict`: what the scorer expects of every question of a folder, one JSON line each.

Reads `uid` and `text`, and the answers of small models (`a:`) for the check; scores and splits stay unread.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gateway.cli.output import note, print_json
from gateway.cli.scoring.tables import data_folder, shown_progress
from router_core.adapters.scorer_weights import PACKAGED, open_scorer
from router_core.learning.scorer import Scorer
from router_core.learning.scorer_check import Check
from router_core.learning.scorer_targets import TIER_PAIRS, TargetScorer, pairs_of
from router_core.learning.training.judged import Source, read_sources

Line = dict[str, Any]


def run(options: argparse.Namespace) -> int:
    """Predict and write."""
    folder = data_folder(options)
    with shown_progress("predict") as progress:
        lines = list(predictions(folder, scorer_named(options.model), progress))
    out = Path(options.out)
    out.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    if options.json:
        print_json({"file": str(out), "lines": len(lines)})
    else:
        note(f"{out}: {len(lines)} predictions")
    return 0


def scorer_named(file: str | None) -> Scorer:
    """The weights that were named, or the packaged ones."""
    return open_scorer(Path(file) if file else PACKAGED)


def predictions(folder: Path, scorer: Scorer, progress: Callable[[float, str], None]) -> Iterator[Line]:
    """Lines for every row of every table."""
    sources = read_sources(folder, only=("uid", "text", "a:"))
    check = Check.from_card(scorer.card.get("check"))
    for done, source in enumerate(sources):
        progress(done / len(sources), source.name)
        yield from _lines(source, scorer, check)


def _lines(source: Source, scorer: Scorer, check: Check | None) -> Iterator[Line]:
    targets = TargetScorer(scorer, pairs_of(source.models) if source.models else TIER_PAIRS)
    answers = {name[2:]: column for name, column in source.columns.items() if name.startswith("a:")}
    device = source.models[0] if source.models else None
    for row, (uid, text) in enumerate(zip(source.columns["uid"], source.columns["text"], strict=True)):
        found = targets.predict(str(text))
        sure = None
        if check is not None and device in answers and len(answers) > 1:
            others = {name: column[row] for name, column in answers.items() if name != device}
            sure = round(check.chance(found.quality[0], answers[device][row], others), 4)
        yield {"uid": uid, "q": list(found.quality), "tok": list(found.tokens), "v": sure}
