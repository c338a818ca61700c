"""`tierwise learn checks` and `tierwise learn model`: from the records of judged answers to a file that a gateway reads.

The file is written whole and moved into place, so that a running gateway, which looks every ten seconds, never sees a half.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.cli.output import note, print_json, print_table
from gateway.cli.policy.evidence import events_directory
from router_core.adapters.events.reader import read
from router_core.errors import ConfigurationError
from router_core.learning import adopted, verification
from router_core.learning.adopted import NOTHING_ADOPTED, Adopted, adopt
from router_core.learning.verification import NOTHING_KEPT, Keeping
from router_core.learning.verification_fit import examples, fit


def run(options: argparse.Namespace) -> int:
    """Raises `ConfigurationError` for a log or a file that is not there."""
    directory = events_directory(options)
    if not directory.is_dir():
        raise ConfigurationError(f"there are no records in {directory}")
    document = _checks(directory, options) if options.action == "checks" else _model(directory, options)
    _write(Path(options.out), document)
    if options.json:
        print_json(document)
    return 0


def _checks(directory: Path, options: argparse.Namespace) -> dict[str, Any]:
    judged = examples(read(directory))
    if not judged:
        raise ConfigurationError(
            "no checked answer was judged: set verification.checks in the policy, and judging"
        )
    keeping = fit(judged)
    if not options.json:
        _show(keeping)
    return verification.to_document(keeping)


def _show(keeping: Keeping) -> None:
    rows = []
    for name, group in sorted(keeping.groups.items()):
        bounds = dict(group.bounds)
        kept = [_bound(bounds.get(share)) for share in (0.02, 0.05, 0.1, 0.2)]
        rows.append((name, str(group.judged), str(group.audited), *kept))
    note("keep from this chance on, by the share of bad answers that may be kept:")
    print_table(("target", "judged", "audited, held out", "2%", "5%", "10%", "20%"), rows)


def _bound(above: float | None) -> str:
    if above is None:
        return "declared"
    return "nothing" if above >= NOTHING_KEPT else f"{above:.3f}"


def _model(directory: Path, options: argparse.Namespace) -> dict[str, Any]:
    head = adopt(options.target, read(directory), options.declared)
    file = Path(options.out)
    known = _known(file) if file.exists() else NOTHING_ADOPTED
    note(f"{options.target}: {head.judged} judged answers, declared quality {head.declared:g}")
    return adopted.to_document(Adopted(heads={**known.heads, options.target: head}))


def _known(file: Path) -> Adopted:
    try:
        return adopted.from_document(json.loads(file.read_bytes()))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{file}: {error}") from error


def _write(file: Path, document: Mapping[str, Any]) -> None:
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        beside.replace(file)
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be written ({error.strerror or error})") from error
