"""Names that the running code and the templates must agree on: one place, so that neither can drift.

`env` is the environment's name (dev, staging, prod). Nothing here does anything; `infra` reads names from here and
nowhere else in the product.
"""

from __future__ import annotations

from typing import Final

ENVIRONMENTS: Final = ("dev", "staging", "prod")

# ---- variables of a Lambda function or a container ------------------------------------------------------------------

ENV: Final = "TIERWISE_ENV"
"""Which environment this process serves."""
STAGE: Final = "TIERWISE_STAGE"
"""What a Lambda function is: a name of the stage table, or one of `FUNCTIONS`."""
WORKFLOW_ARN: Final = "TIERWISE_WORKFLOW_ARN"
"""The state machine that runs asynchronous requests; unset where there is none."""
SYNC_WORKFLOW_ARN: Final = "TIERWISE_SYNC_WORKFLOW_ARN"
"""The express state machine that answers who waits; unset where the function itself answers."""
DELIBERATES: Final = "TIERWISE_DELIBERATION__REGION"
"""The setting as a variable: a function thinks twice only where its own environment says where the models are."""
SETTINGS_SSM: Final = "TIERWISE_SETTINGS_SSM"
"""Prefix in Parameter Store under which each parameter is one setting."""

FUNCTIONS: Final = ("api", "authorizer", "analytics", "rotation", "listener")
"""Lambda functions beside the stages: whole requests, keys at the API's door, the event stream's consumer, rotation, and who
hears alerts."""


JOB_QUEUES: Final = ("inference", "judge", "webhook")
"""The queues of asynchronous requests; each has a topic, a queue, a queue of dead messages and a worker of its name."""
JOBS: Final = "jobs"
"""`tierwise-dev-jobs-inference` is a topic and a queue, `tierwise-dev-jobs-inference-dlq` where its dead messages lie."""
DEAD_LETTERS: Final = "-dlq"
RELAY: Final = "relay"
JOB_FUNCTIONS: Final = tuple(f"{JOBS}-{name}" for name in (*JOB_QUEUES, RELAY))
"""Lambda functions that work on the queues, and the one that publishes what waits in the outbox."""
MAX_RECEIVES: Final = 100
"""So often SQS hands out a message that nobody speaks for before it sets it aside by itself; tries are counted by us."""
JOBS_DATABASE: Final = "tierwise"
JOBS_USER: Final = "tierwise_jobs"
"""Whom workers and gateways log in as, with tokens."""
APPCONFIG: Final = "tierwise"
APPCONFIG_PROFILE: Final = "jobs"
"""Application and profile of what may be changed while workers run; its environment is the environment's name."""


# ---- resources --------------------------------------------------------------------------------------------------------


def resource_name(env: str, what: str) -> str:
    """`tierwise-dev-decisions`; for everything that has a name in an account."""
    return f"tierwise-{env}-{what}"


MACHINE: Final = "inference"
SYNC_MACHINE: Final = "inference-sync"
"""The state machines: one for who asks later, one for who waits."""
TABLES: Final = ("decisions", "state", "config", "metrics")
"""decisions: `request_id` + `kind`, index `by-tenant` (`tenant` + `time`). state: `key`, with `version`, `value`.
config: `name` + `version`. metrics: `target` + `time`. Every table has the TTL attribute `expires` (epoch seconds)."""
TENANT_INDEX: Final = "by-tenant"
STREAM: Final = "events"
EVENT_BUS: Final = "alerts"
EVENT_SOURCE: Final = "tierwise"
ARCHIVE_BUCKET: Final = "archive"
ARCHIVED: Final = "sha256/"
"""Below this prefix of the archive lie what is kept by its hash, such as records too large for a table."""
MODELS_BUCKET: Final = "models"
LAKE_BUCKET: Final = "lake"


def policy_parameter(env: str) -> str:
    """The policy document, with the labels `STABLE` and `CANARY`."""
    return f"/tierwise/{env}/policy"


def settings_prefix(env: str) -> str:
    """Settings, one parameter each: `.../settings/targets` holds JSON, `.../settings/server/port` a number."""
    return f"/tierwise/{env}/settings"


def rollout_parameter(env: str) -> str:
    """Share of sessions that the canary policy serves, as `{"share": 0.1}`; changed by `tierwise policy push|promote`."""
    return f"/tierwise/{env}/rollout"


STABLE: Final = "stable"
CANARY: Final = "canary"


def usage_key(env: str) -> str:
    """Identifier of the usage plan's key, which the authorizer answers with (`usageIdentifierKey`). No secret: callers
    cannot send it, the API takes it from the authorizer alone. API Gateway asks for twenty characters at least."""
    return resource_name(env, "standard-plan-key")


# ---- metrics ------------------------------------------------------------------------------------------------------------

NAMESPACE: Final = "Tierwise"
METRICS: Final = (
    "Requests",
    "Errors",
    "LatencyMs",
    "TimeToFirstTokenMs",
    "DecisionMs",
    "CostUsd",
    "Tokens",
    "Confidence",
    "Fallbacks",
    "Refusals",
    "CacheHits",
    "CacheMisses",
    "Feedback",
    "DecisionAccuracy",
    "AgentErrors",
    "EventsDropped",
    "PolicyRefused",
)
"""Names in CloudWatch; milliseconds and USD where the name says so. `DecisionAccuracy` is 1 when the chosen target
answered without a fallback, `Feedback` the score a user gave in [0, 1]."""
DIMENSIONS: Final = (("Env",), ("Env", "Tier"), ("Env", "Tier", "Target"), ("Env", "Agent"))
"""Sets of dimensions; a metric is written under those whose values it knows."""
