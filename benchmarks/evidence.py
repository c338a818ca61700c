"""Whether conclusions from our own log are true: intervals, refusals, canaries and learning in a world whose truth is known."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from itertools import islice
from random import Random
from statistics import fmean

from benchmarks.figures import Effort, Section, Table, shown
from benchmarks.simulator.canaries import GOAL, Harms, Life, lives
from benchmarks.simulator.learning import JUDGES, Stream, Worth, play
from benchmarks.simulator.policies import BETTER, STABLE, Study, studies
from benchmarks.simulator.world import TRUTH, Log, contexts, table_of
from router_core.learning.off_policy.run import Question, answer

DRIFT_AT = 800
AFTER = 3_000
LIARS = JUDGES * 3 // 10
_POLICIES = """\
{logs} logs of {size} judged decisions each, looked at 20 times while they grow. "held" is how often the 95% interval for one
look at the end held the truth, "at all looks" how often the sequence held it at every look, "passed" how often the policy
would have been promoted at one look at least. The log was made by 10% exploration, or by a canary of 10% beside a policy
without chance."""
_CANARIES = """\
{count} canaries each, of {requests} requests, climbing to {goal:.0%} as evidence allows; costs and latencies with a log-normal
tail of sigma 1, 10% of the answers judged. "reached" is the canary's part of all requests until it was ended."""
_LEARNING = """\
{streams} streams each. What a request loses against the best choice in hindsight of the truth, by the policy's own score; the
drift takes 0.4 of the edge model's quality, and "told" is a router that was told of it. Of a target that is doubted
more is judged than the share that is named, up to all. 20 judges, 6 of them lying in the last rows."""


def measure(effort: Effort) -> Section:
    """All proofs; sizes follow the effort's calls."""
    scale = effort.calls / 4_000
    logs, count, streams = max(20, int(1_000 * scale)), max(20, int(300 * scale)), max(2, int(4 * scale))
    proven, ended = studies(logs, 4_000), _canaries(count)
    taught = _streams(streams)
    seconds = _replay_seconds(max(1_000, int(20_000 * scale)))
    worse = [one for one in proven if one.gain < 0.0]
    return Section(
        name="evidence",
        tables=(
            _policies(proven, logs),
            _canary_table(ended, count),
            _learning(taught, streams),
            Table(
                title="Simulating a policy",
                header=("decisions", "CPU seconds per 100,000"),
                rows=((str(max(1_000, int(20_000 * scale))), shown(seconds)),),
            ),
        ),
        figures={
            "interval_least": 100.0 * min(one.held for one in proven),
            "interval_most": 100.0 * max(one.held for one in proven),
            "worse_refused": 100.0 * (1.0 - max(one.passed for one in worse)),
            "canary_reach": 100.0 * max(one.share for one in ended["costs 3 times as much"]),
            "drift_regret": _ratio(taught["drift, 30% judged"]),
            "drift_regret_few": _ratio(taught["drift, 10% judged"]),
            "lies_regret": 100.0
            * (
                _regret([*taught["liars invert"], *taught["liars against the edge"]])
                / _regret(taught["calm"])
                - 1.0
            ),
        },
    )


def _policies(found: Sequence[Study], logs: int) -> Table:
    rows = tuple(
        (
            one.log,
            one.candidate,
            f"{one.gain:+.3f}",
            f"{one.held:.1%}",
            f"{one.held_always:.1%}",
            f"{one.passed:.1%}",
        )
        for one in found
    )
    return Table(
        title="Policies judged by the log",
        header=("log", "candidate", "true difference", "held", "at all looks", "passed"),
        rows=rows,
        note=_POLICIES.format(logs=logs, size="4,000"),
    )


def _canaries(count: int) -> dict[str, list[Life]]:
    kinds = {
        "costs 3 times as much": Harms(cost=3.0),
        "takes 3 times as long": Harms(latency=3.0),
        "fails 10% more": Harms(errors=0.1),
        "quality 0.3 lower": Harms(quality=0.3),
        "harmless": Harms(),
    }
    return {name: lives(count, harms, 100_000) for name, harms in kinds.items()}


def _canary_table(found: dict[str, list[Life]], count: int) -> Table:
    rows = tuple(
        (
            name,
            f"{fmean(one.ended for one in each):.1%}",
            shown(fmean(one.reached for one in each)),
            f"{fmean(one.share for one in each):.2%}",
            f"{max(one.share for one in each):.2%}",
        )
        for name, each in found.items()
    )
    return Table(
        title="Canaries",
        header=("canary", "ended", "requests it got", "reached, mean", "reached, most"),
        rows=rows,
        note=_CANARIES.format(count=count, requests="100,000", goal=GOAL),
    )


def _streams(streams: int) -> dict[str, list[Worth]]:
    after = DRIFT_AT + AFTER
    drift = partial(Stream, requests=after, drift_at=DRIFT_AT)
    calm = partial(Stream, requests=6_000, judged=1.0)
    kinds = {
        "drift, 100% judged": partial(drift, judged=1.0),
        "drift, 30% judged": partial(drift, judged=0.3),
        "drift, 10% judged": partial(drift, judged=0.1),
        "calm": calm,
        "liars invert": partial(calm, liars=LIARS),
        "liars against the edge": partial(calm, liars=LIARS, lie="edge"),
    }
    return {name: [play(kind(seed=seed)) for seed in range(streams)] for name, kind in kinds.items()}


def _learning(found: dict[str, list[Worth]], streams: int) -> Table:
    rows = tuple(
        (
            name,
            shown(fmean(one.best - one.frozen for one in each)),
            shown(fmean(one.best - one.told for one in each)),
            shown(_regret(each)),
            shown(_ratio(each)) if name.startswith("drift") else "-",
        )
        for name, each in found.items()
    )
    return Table(
        title="Learning online",
        header=("stream", "frozen", "told", "learning", "(learning - told) / (frozen - told)"),
        rows=rows,
        note=_LEARNING.format(streams=streams),
    )


def _regret(found: Sequence[Worth]) -> float:
    return fmean(one.regret for one in found)


def _ratio(found: Sequence[Worth]) -> float:
    learning = sum(one.told - one.learning for one in found)
    return learning / sum(one.told - one.frozen for one in found)


def _replay_seconds(size: int) -> float:
    """CPU seconds per 100,000 decisions, without reading the log's files."""
    used, log = STABLE["explore"], Log(truth=TRUTH, chance=Random(1))
    records = list(log.preface(used))
    for context in islice(contexts(1), size):
        records += log.records(context, _TABLE)
    start = time.thread_time()
    answer(Question(new=BETTER, old=used), partial(iter, records))
    return (time.thread_time() - start) * 100_000 / size


_TABLE = table_of(STABLE["explore"])
