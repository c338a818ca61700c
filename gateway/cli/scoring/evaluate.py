"""`tierwise evaluate`: what predictions are worth on a folder of judged answers, per source and for the mixture."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gateway.cli.output import note, print_json, print_table
from gateway.cli.scoring.predict import predictions, scorer_named
from gateway.cli.scoring.tables import data_folder, shown_progress
from router_core.adapters.scorer_weights import PACKAGED
from router_core.errors import ConfigurationError
from router_core.learning.training.evaluation import evaluation
from router_core.learning.training.judged import read_sources

COLUMNS: Final = ("uid", "text", "split", "group", "contaminated", "s:", "t:")
SHOWN: Final = ("apgr", "cpt50", "cpt80", "naiq", "save98", "save95", "auc", "ece", "sure_apgr")


def run(options: argparse.Namespace) -> int:
    """Predict unless predictions are given, judge, print."""
    folder = data_folder(options)
    with shown_progress("evaluate") as progress:
        if options.pred:
            lines = _read(Path(options.pred))
        else:
            lines = {
                str(one["uid"]): one for one in predictions(folder, scorer_named(options.model), progress)
            }
        found = evaluation(read_sources(folder, only=COLUMNS), lines, options.split)
    if options.json:
        print_json(found)
        return 0
    print_table(
        ("source", "n", *SHOWN),
        [(name, int(one["n"]), *(_shown(one.get(key)) for key in SHOWN)) for name, one in found.items()],
    )
    if not options.pred and scorer_named(options.model).card.get("sources"):
        note(
            f"Questions that {Path(options.model or PACKAGED).name} was trained on look better than unseen ones."
        )
    return 0


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _read(path: Path) -> dict[str, Mapping[str, Any]]:
    try:
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
        return {str(one["uid"]): one for one in lines}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path}: not lines of predictions ({error})") from error
