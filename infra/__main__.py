"""`make synth`: every environment's templates into a folder each, and what is in them.

Needs no account and no network. The functions' asset holds the sources only, unless `--bundle full` asks for the wheels
too, which is what a deployment does.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from infra.app import build
from infra.bundle import MODES, bundle
from infra.environments import ENVIRONMENTS


def synthesise(name: str, out: Path, mode: str) -> Path:
    """One environment into its folder; raises when a judge finds an error."""
    folder = out / name
    build(str(folder), env=name, bundle=mode).synth()
    return folder


def report(name: str, folder: Path) -> None:
    total = 0
    for path in sorted(folder.glob("*.template.json")):
        resources = json.loads(path.read_text())["Resources"]
        total += len(resources)
        most = Counter(resource["Type"].removeprefix("AWS::") for resource in resources.values()).most_common(
            4
        )
        shown = ", ".join(f"{kind} {count}" for kind, count in most)
        print(f"  {path.name.removesuffix('.template.json'):32} {len(resources):4} resources   {shown}")
    print(f"{name}: {total} resources")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m infra", description=__doc__)
    parser.add_argument("environments", nargs="*", choices=[[], *ENVIRONMENTS], help="default: all")
    parser.add_argument("--out", type=Path, default=Path("cdk.out"))
    parser.add_argument("--bundle", choices=MODES, default="sources")
    chosen = parser.parse_args()
    for name in chosen.environments or ENVIRONMENTS:
        report(name, synthesise(name, chosen.out, chosen.bundle))
    asset = bundle(chosen.bundle)
    print(
        f"functions' asset ({chosen.bundle}): {asset.path.stat().st_size / 1e6:.1f} MB zipped, "
        f"{asset.unpacked_bytes / 1e6:.1f} MB unpacked, {asset.sha256[:16]}"
    )


if __name__ == "__main__":
    main()
