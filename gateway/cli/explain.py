"""`tierwise explain`: where a request would go and why; asked of a gateway, decided here, or replayed from records."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from gateway.cli.output import note, print_json, print_table
from gateway.settings.loading import load
from router_core.errors import ConfigurationError, NotFoundError, RequestError


def run(options: argparse.Namespace) -> int:
    """Print the decision. Raises `TierwiseError`s; a replay that differs is status 1."""
    if options.replay is not None:
        return _replay(options)
    if options.text is None:
        raise RequestError("explain needs TEXT, or --replay ID")
    if options.deliberate:
        from gateway.cli.explaining.twice import explain_twice, show_twice

        both = explain_twice(options)
        print_json(both) if options.json else show_twice(both)
        return 0
    if options.sandbox:
        answer = decide_here(options)
    else:
        from gateway.cli.client import client_from
        from gateway.cli.request import body_of

        answer = client_from(options.url, os.environ).call("POST", "/explain", body_of(options))
    if options.json:
        print_json(answer)
    else:
        _show(answer)
    return 0


def decide_here(options: argparse.Namespace) -> dict[str, Any]:
    """Decide in this process for the configured targets and the sandbox's, all taken to be up and idle."""
    from gateway.cli.explaining.here import as_answer, decided
    from gateway.composition.plan import plan
    from gateway.composition.sandbox import NOT_STARTED

    settings = load(options.config, os.environ)
    return as_answer(decided(options, plan(settings, os.environ, sandbox=True, access=NOT_STARTED)))


def _show(answer: dict[str, Any]) -> None:
    routing = answer["routing"]
    print(routing["reason"])
    rows = [(name, f"{score:.3f}", "") for name, score in routing["scores"].items()]
    rows += [(name, "", why) for name, why in routing["rejected"].items()]
    print_table(("target", "score", "ruled out by"), rows)
    print(
        f"class {routing['class']}, confidence {routing['confidence']:.2f}, risk {routing['risk']}, "
        f"policy {routing['policy']}, decided by {routing['decided_by']}"
    )
    if routing.get("guard"):
        print(f"guard: {', '.join(routing['guard'])}")


def _replay(options: argparse.Namespace) -> int:
    from gateway.cli.replay import replay

    settings = load(options.config, os.environ)
    directory = Path(options.events) if options.events else settings.events.dir
    if not directory.is_dir():
        raise ConfigurationError(f"there is no record folder {directory}; name it with --events DIR")
    found = replay(directory, options.replay)
    if found is None:
        raise NotFoundError(f"no record of a decision {options.replay} in {directory}")
    if options.json:
        print_json(found.as_document())
    else:
        print_table(
            ("", "recorded", "replayed"), [(key, recorded, again) for key, recorded, again in found.rows()]
        )
        note("the same to the bit" if found.same else f"DIFFERENT in {', '.join(found.differing)}")
    return 0 if found.same else 1
