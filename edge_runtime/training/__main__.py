"""``python -m edge_runtime.training --out FOLDER --seed 0``: trains, exports, calibrates, measures."""

import argparse
import json
import logging
import os
import sys
from pathlib import Path

from edge_runtime.store import SHIPPED

DEFAULT_STEPS = 6000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m edge_runtime.training", description=__doc__)
    parser.add_argument("--out", type=Path, default=SHIPPED / "intent-v1", help="model folder to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=DEFAULT_STEPS, help="training steps of 24 sentences")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    from edge_runtime.training.pipeline import Order, make_model

    evaluation = make_model(Order(out=arguments.out, seed=arguments.seed, steps=arguments.steps))
    sys.stdout.write(json.dumps(evaluation, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
