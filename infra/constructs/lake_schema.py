"""The columns under which Athena sees the records of `router_core.events`: one table per kind.

What has no fixed form (features, scores by target) is a text of JSON or a map, so that a field which is added to a
record later breaks no table. Names that SQL reserves (`time`, `schema`, `class`) stand in double quotes in queries.
"""

from __future__ import annotations

from typing import Final

_BY_NAME: Final = "map<string,{}>"
_ATTEMPT: Final = "struct<target:string,outcome:string,latency_ms:double,error:string>"
_EVERY: Final = {"event_id": "string", "kind": "string", "schema": "int", "time": "double"}
_ONE_REQUEST: Final = {**_EVERY, "request_id": "string", "tenant": "string"}

TABLES: Final[dict[str, dict[str, str]]] = {
    "decision": {
        **_ONE_REQUEST,
        "class": "string",
        "features": "string",
        "inflight": "array<array<int>>",
        "policy": "string",
        "policy_sha256": "string",
        "state_sha256": "string",
        "chosen": "string",
        "tier": "string",
        "propensity": "double",
        "confidence": "double",
        "decided_by": "string",
        "scores": _BY_NAME.format("double"),
        "rejected": _BY_NAME.format("string"),
        "fallbacks": "array<string>",
        "model_answers": "string",
        "outcome": "string",
    },
    "outcome": {
        **_ONE_REQUEST,
        "status": "string",
        "target": "string",
        "tier": "string",
        "attempts": f"array<{_ATTEMPT}>",
        "attempt_figures": "array<array<double>>",
        "usage": "struct<prompt_tokens:bigint,completion_tokens:bigint>",
        "cost_usd": "double",
        "energy_j": "double",
        "latency_ms": "double",
        "cache": "string",
        "handoff": "struct<`from`:string,`to`:string,at_chars:bigint>",
    },
    "quality": {
        **_ONE_REQUEST,
        "target": "string",
        "source": "string",
        "score": "double",
        "comment_length": "int",
    },
    "state": {**_EVERY, "sha256": "string", "targets": "string"},
    "policy": {**_EVERY, "sha256": "string", "document": "string"},
    "policy_refused": {**_EVERY, "source": "string", "stays": "string"},
}
"""Kind of record -> column -> type. The table is called like the kind."""

PREFIX: Final = "events/"
ERRORS_PREFIX: Final = "errors/"


def delivered_prefix() -> str:
    """Where Firehose puts a record: its kind and day, which Athena reads by, then its tenant, which deletion and
    access by tenant go by. The day is the record's own, not that of its arrival."""
    key = "!{{partitionKeyFromQuery:{}}}"
    return f"{PREFIX}kind={key.format('kind')}/day={key.format('day')}/tenant={key.format('tenant')}/"


PARTITIONS: Final = {
    "kind": ".kind",
    "day": '.time | strftime("%Y-%m-%d")',
    "tenant": 'if .tenant then .tenant else "none" end',
}
"""What `delivered_prefix` is filled with, in jq."""
