"""What the CDK's command line runs: one environment's stacks, chosen by `-c env=dev|staging|prod`.

Runs without the command line, too (`python -m infra.app`): the context is read from the same two files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aws_cdk import App

from infra.stage import chosen_environment, compose
from infra.validation import validate

ROOT = Path(__file__).resolve().parents[1]


def build(outdir: str | None = None, **chosen: str) -> App:
    """One environment, ready to be synthesised. `chosen` stands for `-c name=value`."""
    context: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(
        outdir=outdir, context={**context, **json.loads((ROOT / "cdk.context.json").read_text()), **chosen}
    )
    validate(app)
    compose(app, chosen_environment(app))
    return app


if __name__ == "__main__":
    build().synth()
