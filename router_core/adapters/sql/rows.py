"""Jobs as rows and back: which columns are sealed, and under which name each belongs to its row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import RowMapping

from router_core.adapters.sql.sealed import Sealer
from router_core.jobs.records import Figures, Job, Step

SEALED: Final = ("request", "webhook", "answer", "judgement", "problem")
FIGURES: Final = tuple(item.name for item in fields(Figures))
_PLAIN: Final = tuple(item.name for item in fields(Job) if item.name not in (*SEALED, "figures"))


def row_of(job: Job, sealer: Sealer) -> dict[str, Any]:
    """The whole job as values of columns."""
    plain = {name: getattr(job, name) for name in _PLAIN}
    figures = {name: getattr(job.figures, name) for name in FIGURES}
    return {**plain, **figures, **_sealed(job, job, sealer)}


def job_of(row: RowMapping, sealer: Sealer) -> Job:
    """The job behind a row. Raises `StoreError` for one that does not open."""
    plain: dict[str, Any] = {name: row[name] for name in _PLAIN}
    opened: dict[str, Any] = {
        name: None
        if row[name] is None
        else sealer.open(bytes(row[name]), _about(row["tenant"], row["request_id"], name))
        for name in SEALED
    }
    return Job(**plain, **opened, figures=Figures(**{name: row[name] for name in FIGURES}))


def changes_of(job: Job, step: Step, sealer: Sealer) -> dict[str, Any]:
    """What a step changes in the row of its job."""
    changed: dict[str, Any] = {"stage": step.stage, **_sealed(job, step, sealer, given_only=True)}
    if step.figures is not None:
        changed |= {name: getattr(step.figures, name) for name in FIGURES}
    if step.score is not None:
        changed["score"] = step.score
    return changed


def _sealed(job: Job, source: Job | Step, sealer: Sealer, *, given_only: bool = False) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for name in SEALED:
        text: bytes | None = getattr(source, name, None)
        if text is not None:
            found[name] = sealer.seal(text, _about(job.tenant, job.request_id, name))
        elif not given_only:
            found[name] = None
    return found


def _about(tenant: str, request_id: str, column: str) -> str:
    return f"{tenant}/{request_id}/{column}"
