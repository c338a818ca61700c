"""`tierwise train`: fits the routing scorer on a folder of judged answers and writes its weights and card.

With one thread (`OMP_NUM_THREADS=1`) the same seed gives the same bytes on one machine.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from gateway.cli.output import note, print_json
from gateway.cli.scoring.tables import data_folder, shown_progress
from router_core.adapters.scorer_weights import open_arrays, write_scorer
from router_core.errors import ConfigurationError
from router_core.learning.training.checking import fitted_check
from router_core.learning.training.judged import judged, read_sources
from router_core.learning.training.packing import Arrays, material_of, stored_table, trained, weighed_table

COLUMNS = ("uid", "text", "domain", "group", "s:", "t:", "a:")


def run(options: argparse.Namespace) -> int:
    """Fit and write; says the checksum."""
    folder = data_folder(options)
    with shown_progress("train") as progress:
        progress(0.0, "reading")
        sources = read_sources(folder, only=COLUMNS)
        rows = judged(sources)
        table = weighed_table(_table(options.table), rows.texts)
        models = {s.name: s.models for s in sources if s.models}
        material = material_of(rows, table, models, options.seed)
        everything = np.arange(len(rows.uids))
        arrays, card, fitted = trained(material, table, everything, seed=options.seed, progress=progress)
    card["check"] = fitted_check(sources, material, everything, fitted.unseen)
    out = Path(options.out)
    sha256 = write_scorer(out, arrays, card)
    if options.json:
        print_json({"file": str(out), "sha256": sha256, "bytes": out.stat().st_size, "rows": len(rows.uids)})
    else:
        note(f"{out}: {out.stat().st_size} bytes from {len(rows.uids)} questions, sha256 {sha256}")
    return 0


def _table(file: str | None) -> Arrays:
    if file is None:
        return open_arrays()[0]
    try:
        with np.load(file) as found:
            return stored_table([str(piece) for piece in found["pieces"]], found["rows"])
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(f"{file}: not a word table ({error})") from error
