"""OpenAI's `file` and `batch` objects, and lists of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from gateway.batches.parts import about
from router_core.jobs.batches import CANCELLED, COMPLETED, EXPIRED, FAILED, Batch, StoredFile
from router_core.jobs.records import NANO


def file_object(file: StoredFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": int(file.created_s),
        "expires_at": _moment(file.expires_s),
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
    }


def batch_object(batch: Batch) -> dict[str, Any]:
    said = about(batch)
    errors = None if batch.errors is None else {"object": "list", "data": orjson.loads(batch.errors)}
    ended: dict[str, int | None] = {f"{name}_at": None for name in (COMPLETED, FAILED, EXPIRED, CANCELLED)}
    if batch.ended_s is not None:
        ended[f"{batch.status}_at"] = int(batch.ended_s)
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": errors,
        "input_file_id": batch.input_file,
        "completion_window": "24h",
        "status": batch.status,
        "output_file_id": batch.output_file,
        "error_file_id": batch.error_file,
        "created_at": int(batch.created_s),
        "in_progress_at": _moment(batch.started_s),
        "expires_at": int(batch.expires_s),
        "finalizing_at": _moment(batch.finalizing_s),
        "cancelling_at": _moment(batch.cancelling_s),
        **ended,
        "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        "metadata": dict(said.metadata) or None,
        "usage": _usage(batch),
        "tierwise": {
            "estimate_usd": batch.estimate_nano / NANO,
            "cost_usd": batch.cost_nano / NANO,
            "max_cost_usd": said.max_cost_usd,
            "released": batch.released,
        },
    }


def list_object(entries: Sequence[dict[str, Any]], *, more: bool) -> dict[str, Any]:
    return {
        "object": "list",
        "data": list(entries),
        "first_id": entries[0]["id"] if entries else None,
        "last_id": entries[-1]["id"] if entries else None,
        "has_more": more,
    }


def _usage(batch: Batch) -> dict[str, Any]:
    return {
        "input_tokens": batch.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": batch.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": batch.prompt_tokens + batch.completion_tokens,
    }


def _moment(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)
