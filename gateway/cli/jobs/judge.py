"""`tierwise judge calibrate`: how right the judges are, on answers whose worth is known.

The judges are asked as they are in service: through the router that the settings describe, by its policy.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from agents.judge.agent import JudgeAgent
from agents.judge.calibration import Calibration, Labelled, calibration
from agents.judge.rivals import REFERENCE_KEY
from agents.judge.verdict import Verdict
from gateway.cli.output import note, print_json, print_table
from gateway.composition.plan import plan
from gateway.composition.root import Gateway, compose
from gateway.http.edge import new_request_id
from gateway.jobs.calibrated import write_rates
from gateway.settings.loading import load
from router_core.errors import ConfigurationError, TierwiseError
from router_core.execution import Served
from router_core.inference import Caller, InferenceRequest
from router_core.policy.judging import Judging

_LARGEST: Final = 64 * 2**20
_KEYS: Final = frozenset(("question", "answer", "label", "model", "reference"))
_AT_ONCE: Final = 8
_CALLER: Final = Caller(tenant="calibration", key_id="calibration")


def run(options: argparse.Namespace) -> int:
    """Raises `ConfigurationError` for settings or a file that are not right."""
    cases = read_cases(options.file)
    settings = load(options.config, os.environ)
    made = plan(settings, os.environ, sandbox=False)
    found = asyncio.run(_judged(made, settings.jobs.judges, cases, options))
    report = calibration(cases, found)
    if options.out is not None:
        write_rates(options.out, report)
    if options.json:
        print_json(told(report))
    else:
        _print(report)
    if not report.usable:
        note(
            "these judgements cannot be corrected: 50 good and 50 bad answers that the judges tell apart are needed"
        )
    return 0


async def _judged(
    made: Any, judges: tuple[str, ...], cases: Sequence[Labelled], options: argparse.Namespace
) -> list[Verdict]:
    gateway = await compose(made, worker="judge")
    try:
        return await _all(gateway, tuple(one.spec for one in made.targets), judges, cases, options)
    finally:
        await gateway.close()


async def _all(
    gateway: Gateway, specs: tuple[Any, ...], judges: tuple[str, ...], cases: Sequence[Labelled], options: Any
) -> list[Verdict]:
    from rich.progress import track

    rules = gateway.router.rollout().stable.judging
    rules = replace(rules, judges=options.judges or rules.judges)
    agent, room = JudgeAgent(gateway.router.answer, specs, judges), asyncio.Semaphore(_AT_ONCE)
    running = [asyncio.create_task(_one(agent, room, case, rules)) for case in cases]
    shown: Iterable[asyncio.Task[Verdict]] = running
    if not options.json:
        shown = track(running, description="judging", transient=True)
    return [await one for one in shown]


async def _one(agent: JudgeAgent, room: asyncio.Semaphore, case: Labelled, rules: Judging) -> Verdict:
    request = InferenceRequest(
        request_id=new_request_id(),
        received_s=0.0,
        caller=_CALLER,
        messages=({"role": "user", "content": case.question},),
        metadata={} if case.reference is None else {REFERENCE_KEY: case.reference},
    )
    served = Served(target="", tier="cloud", model=case.model)
    async with room:
        try:
            return await agent.judge_text(request, case.answer, served, rules)
        except TierwiseError as error:
            return Verdict(skipped=f"the judge failed: {type(error).__name__}")


def read_cases(file: Path) -> list[Labelled]:
    """Labelled answers, one JSON object a line. Raises `ConfigurationError` naming the line."""
    try:
        if file.stat().st_size > _LARGEST:
            raise ConfigurationError(f"{file}: larger than {_LARGEST // 2**20} MiB")
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read: {error}") from error
    cases = [_case(f"{file}:{number}", line) for number, line in enumerate(lines, 1) if line.strip()]
    if not cases:
        raise ConfigurationError(f"{file}: holds no labelled answer")
    return cases


def _case(place: str, line: str) -> Labelled:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise ConfigurationError(f"{place}: not JSON") from None
    if not isinstance(found, dict) or not _KEYS.issuperset(found):
        raise ConfigurationError(f"{place}: an object with {', '.join(sorted(_KEYS))}")
    label = found.get("label")
    if not isinstance(label, (bool, int, float)) or not 0 <= label <= 1:
        raise ConfigurationError(f"{place}: label must be between 0 and 1")
    texts = {name: found[name] for name in _KEYS - {"label"} if name in found}
    if not all(isinstance(text, str) for text in texts.values()) or not {"question", "answer"} <= set(texts):
        raise ConfigurationError(f"{place}: question and answer must be texts")
    return Labelled(label=float(label), **texts)


def told(report: Calibration) -> dict[str, Any]:
    """The report as JSON."""
    return {**asdict(report), "tpr": report.tpr, "fpr": report.fpr, "usable": report.usable}


def _print(report: Calibration) -> None:
    rows = [
        ("answers, and how many got a score", f"{report.asked} / {report.judged}"),
        ("mean score of good ones (TPR)", f"{report.tpr:.3f}"),
        ("mean score of bad ones (FPR)", f"{report.fpr:.3f}"),
        ("a good one is scored above a bad one", f"{report.auc:.3f}"),
        ("Cohen's kappa", f"{report.kappa:.3f}"),
        ("mean error / bias", f"{report.error:.3f} / {report.bias:+.3f}"),
        ("agreement of judges", "-" if report.agreement is None else f"{report.agreement:.3f}"),
        ("cost in USD", f"{report.cost_usd:.6f}"),
    ]
    print_table(("judging", ""), rows)
