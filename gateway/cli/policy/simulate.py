"""`tierwise policy simulate`: what past requests say about a policy that has not decided any of them.

Their records are streamed twice; what is kept of a request is a row of numbers. Everything is judged in
`router_core.learning.off_policy`; this module asks, and shows the outcome.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from gateway.cli.output import print_json, print_table
from gateway.cli.policy.evidence import Place, place_of, reading
from gateway.settings.loading import load
from router_core.adapters.policy_file import read_policy
from router_core.deployment import policy_parameter
from router_core.learning.confidence_sequence import Interval
from router_core.learning.off_policy.estimators import Value
from router_core.learning.off_policy.run import Question, answer
from router_core.learning.off_policy.verdict import Evidence, Finding
from router_core.policy.document import Policy

METRICS: Final = (("quality", "quality"), ("cost_usd", "USD"), ("latency_ms", "ms"), ("errors", "errors"))


def run(options: argparse.Namespace) -> int:
    """0 whatever the verdict is: it was asked for, not acted on. Raises `ConfigurationError`, `OSError`."""
    found, _ = simulate(options, read_policy(Path(options.policy)), _against(options))
    if options.json:
        print_json(as_document(found))
    else:
        show(found)
    return 0


def simulate(options: argparse.Namespace, new: Policy, old: Policy) -> tuple[Evidence, Place]:
    """The evidence for replacing `old` by `new` in the records that `options` name, and where they are from."""
    since_s = time.time() - options.since
    question = Question(new=new, old=old, since_s=since_s, tolerance=options.tolerance)
    with reading(place_of(options), since_s) as (read, place), _progress() as progress:
        return answer(question, read, progress), place


def _against(options: argparse.Namespace) -> Policy:
    if options.against is not None:
        return read_policy(None if options.against == "default" else Path(options.against))
    from gateway.composition.policy import policy_store, rollout_now

    if options.env is not None:
        from router_core.adapters.aws.ssm_policy import look

        return look(policy_store(policy_parameter(options.env))).rollout.stable
    return rollout_now(load(options.config, os.environ).policy).stable


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading the log", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total, description="deciding again")


def show(found: Evidence) -> None:
    """For people."""
    overall = found.overall
    print(f"{found.new} in place of {found.old}: {found.verdict.word}: {found.verdict.why}")
    print(
        f"{overall.decisions} decisions, {overall.changed:.1%} of the choices change; "
        f"constraint violations: {found.violations}"
    )
    rows = [_row(overall, metric, unit) for metric, unit in METRICS]
    print_table(
        ("metric", found.old, found.new, "difference, 95%", "however often one looks", "n", "effective n"),
        rows,
    )
    print_table(
        ("latency ms", found.old, found.new, "95%"),
        [
            (f"p{share * 100:g}", _figure(old[0]), _figure(new[0]), _interval(new[1]))
            for share, old, new in _latencies(overall)
        ],
    )
    tiers = [
        (tier, f"{overall.tiers['old'][tier]:.1%}", f"{share:.1%}")
        for tier, share in overall.tiers["new"].items()
    ]
    print_table(("tier", found.old, found.new), tiers)
    if found.groups:
        print_table(
            (
                "group",
                "decisions",
                "change",
                "quality, difference",
                "however often one looks",
                "USD",
                "p95 ms",
                "tiers",
            ),
            [_group(one) for one in found.groups],
        )
    for line in _notes(found):
        print(line)


def _row(found: Finding, metric: str, unit: str) -> tuple[str, ...]:
    old, new, difference = (found.values[metric][side] for side in ("old", "new", "difference"))
    return (
        unit,
        _figure(old.mean),
        _figure(new.mean),
        f"{_figure(difference.mean)} {_interval(difference.interval)}",
        _interval(difference.sequence),
        str(new.count),
        f"{new.effective:.0f}",
    )


def _group(found: Finding) -> tuple[str, ...]:
    gain, cost = found.gain, found.values["cost_usd"]["difference"]
    mix = " ".join(f"{tier} {share:.0%}" for tier, share in found.tiers["new"].items() if share >= 0.005)
    return (
        found.group,
        str(found.decisions),
        f"{found.changed:.1%}",
        f"{_figure(gain.mean)} {_interval(gain.interval)}",
        _interval(gain.sequence),
        f"{_figure(cost.mean)} {_interval(cost.interval)}",
        _figure(found.latency["new"][0.95][0]),
        mix,
    )


def _latencies(found: Finding) -> Iterator[tuple[float, tuple[float, Interval], tuple[float, Interval]]]:
    for share, new in found.latency["new"].items():
        yield share, found.latency["old"][share], new


def _notes(found: Evidence) -> Iterator[str]:
    counts = found.counts
    for called, counter in (
        ("constraint violations", counts.violations),
        ("choices that the other policy forbids", counts.newly_permitted),
        ("decisions left out", counts.left_out),
    ):
        if counter:
            print_out = ", ".join(f"{reason} {count}" for reason, count in counter.most_common())
            yield f"{called}: {print_out}"
    if counts.refused_new or counts.refused_old:
        yield f"requests without a target: {counts.refused_new}, before {counts.refused_old}"
    if found.blind:
        yield f"changed too, and not visible in a log: {', '.join(found.blind)}"


def as_document(found: Evidence) -> dict[str, Any]:
    """For `--json` and the admin path."""
    return {
        "new": found.new,
        "old": found.old,
        "verdict": found.verdict.word,
        "why": found.verdict.why,
        "constraint_violations": found.violations,
        "overall": _document(found.overall),
        "groups": [_document(one) for one in found.groups],
        "violations": dict(found.counts.violations),
        "newly_permitted": dict(found.counts.newly_permitted),
        "left_out": dict(found.counts.left_out),
        "refused": {"new": found.counts.refused_new, "old": found.counts.refused_old},
        "not_visible": list(found.blind),
    }


def _document(found: Finding) -> dict[str, Any]:
    return {
        "group": found.group,
        "decisions": found.decisions,
        "changed": found.changed,
        "metrics": {
            metric: {side: _value(one) for side, one in sides.items()}
            for metric, sides in found.values.items()
        },
        "latency_percentiles": {
            side: {
                f"p{share * 100:g}": {"ms": _finite(ms), "interval": _ends(ends)}
                for share, (ms, ends) in told.items()
            }
            for side, told in found.latency.items()
        },
        "tiers": found.tiers,
        "estimates": {name: _finite(figure) for name, figure in found.estimates.items()},
    }


def _value(one: Value) -> Mapping[str, Any]:
    return {
        "mean": _finite(one.mean),
        "interval": _ends(one.interval),
        "sequence": _ends(one.sequence),
        "count": one.count,
        "effective": one.effective,
    }


def _ends(interval: Interval) -> list[float | None]:
    return [_finite(interval.low), _finite(interval.high)]


def _finite(value: float) -> float | None:
    """JSON has no infinity: null is an end that nothing is known of."""
    return value if math.isfinite(value) else None


def _figure(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "-"


def _interval(interval: Interval) -> str:
    return f"[{_figure(interval.low)}, {_figure(interval.high)}]"
