"""`python -m benchmarks`: measures, prints tables, and keeps them in benchmarks/RESULTS.md."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks import decide, device, evidence, gateway, loop_hold, scorer, startup, streams
from benchmarks.deliberation import section as deliberation
from benchmarks.figures import QUICK, Effort, Section, SkippedError
from benchmarks.hosts import section as hosts
from benchmarks.jobs import section as jobs
from benchmarks.report import as_record, machine, page, renewed
from benchmarks.safety import section as safety
from benchmarks.three_days import section as three_days

RESULTS: Final = Path(__file__).with_name("RESULTS.md")
SECTIONS: Final[dict[str, Callable[[Effort], Section]]] = {
    "decide": decide.measure,
    "evidence": evidence.measure,
    "startup": startup.measure,
    "loop": loop_hold.measure,
    "gateway": gateway.measure,
    "streams": streams.measure,
    "device": device.measure,
    "three_days": three_days.measure,
    "hosts": hosts.measure,
    "jobs": jobs.measure,
    "scorer": scorer.measure,
    "deliberation": deliberation.measure,
    "safety": safety.measure,
}


def main(argv: Sequence[str]) -> int:
    """Run the chosen sections; 1 when one of them could not be measured."""
    options = _options(argv)
    # A stop must reach the programs that were started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    where = machine()
    effort = QUICK if options.quick else Effort()
    sections, status = [], 0
    for name in options.only or SECTIONS:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        try:
            sections.append(SECTIONS[name](effort))
        except (RuntimeError, OSError, SkippedError) as error:
            sections.append(Section(name=name, tables=(), skipped=(f"{name}: {error}",)))
            status = 1
    command = " ".join(["python -m benchmarks", *argv])
    record = as_record(sections, command, where)
    text = page(sections, command, where)
    print(json.dumps(record) if options.json else text)
    if options.update:
        RESULTS.write_text(renewed(RESULTS.read_text(), text))
    elif (kept := _kept(options)) is not None:
        kept.write_text(text)
    return status


def _kept(options: argparse.Namespace) -> Path | None:
    """Where the page goes: a part or a quick look does not replace the whole record unless told to."""
    if options.out is not None:
        return Path(options.out)
    return None if options.only or options.quick else RESULTS


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: to see that it works")
    parser.add_argument("--only", nargs="+", choices=sorted(SECTIONS), metavar="NAME", help="sections to run")
    parser.add_argument("--out", metavar="FILE", help="where to write the page")
    parser.add_argument(
        "--update", action="store_true", help="put these sections into the kept page, beside the others"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the page")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
