"""`python -m gateway.cost cdk.out`: make the packaged bills again from synthesised templates, a folder per environment."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gateway.cost.bill import DATA, bill_of_folder
from router_core.deployment import ENVIRONMENTS


def main(out: Path) -> None:
    for env in ENVIRONMENTS:
        bill = bill_of_folder(out / env)
        (DATA / f"{env}.json").write_text(json.dumps(bill, indent=1) + "\n")
        print(f"{env}: {len(bill)} lines")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "cdk.out"))
