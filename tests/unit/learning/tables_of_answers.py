"""A small synthetic folder of judged answers: two sources, three tiers, questions whose wording says how hard they are."""

from __future__ import annotations

import json
import random
from pathlib import Path

EASY = ("add", "count", "name", "spell", "list")
HARD = ("prove", "derive", "integrate", "diagonalise", "axiomatise")
THINGS = ("apples", "rivers", "colours", "matrices", "sets", "planets", "verbs", "graphs")
MODELS = ("small-1b", "middle-8b", "large-70b")


def question(draw: random.Random) -> tuple[str, bool]:
    """A text and whether it is hard."""
    hard = draw.random() < 0.5
    verb = draw.choice(HARD if hard else EASY)
    many = draw.randrange(2, 99)
    return f"Please {verb} the {many} {draw.choice(THINGS)} and {draw.choice(THINGS)} of set {many}", hard


def write_tables(folder: Path, rows: int = 240, seed: int = 0) -> Path:
    """Two tables and their manifest."""
    import pyarrow
    from pyarrow import parquet

    draw = random.Random(seed)
    for source in ("alpha", "beta"):
        columns: dict[str, list[object]] = {
            "uid": [], "text": [], "domain": [], "group": [], "split": [], "a:other-1b": [], f"a:{MODELS[0]}": [],
        }  # fmt: skip
        columns |= {f"{kind}:{m}": [] for kind in "st" for m in MODELS}
        for row in range(rows):
            text, hard = question(draw)
            right = draw.random() < (0.15 if hard else 0.9)
            columns["uid"].append(f"{source}:{row}")
            columns["text"].append(text)
            columns["domain"].append("even" if row % 2 else "odd")
            columns["group"].append(row if source == "alpha" else 1000 + row)
            columns["split"].append("dev" if row % 5 == 0 else "train")
            columns[f"s:{MODELS[0]}"].append(float(right))
            columns[f"s:{MODELS[1]}"].append(float(draw.random() < (0.5 if hard else 0.95)))
            columns[f"s:{MODELS[2]}"].append(float(draw.random() < (0.9 if hard else 0.97)))
            for model in MODELS:
                columns[f"t:{model}"].append(400.0 if hard else 40.0)
            columns[f"a:{MODELS[0]}"].append("42" if right else str(draw.randrange(40)))
            columns["a:other-1b"].append("42" if draw.random() < 0.8 else "7")
        parquet.write_table(pyarrow.table(columns), folder / f"{source}.parquet")
    manifest = {"tiers": {"alpha": list(MODELS), "beta": list(MODELS)}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
