"""What one request uses of the services that are paid for by use, as assumptions that a reader can change.

A request on the default path is one call of the API, one of the `api` function and two records; the state machine adds its
states and their functions. Each line names its price, so that nothing is counted that no price stands for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from router_core.record import dataclass
from router_core.stages import STAGES

ONE_FUNCTION: Final = "one-function"
STATE_MACHINE: Final = "state-machine"
MODES: Final = (ONE_FUNCTION, STATE_MACHINE)
_STAGE_S: Final = 0.02
"""What a stage takes beside waiting for a tier."""
_CHOICES: Final = 2
"""States of the machine beside the stages: whether the cache had it, whether a tier must be left."""
_FIREHOSE_KB: Final = 5.0
_KINESIS_KB: Final = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """One average request. `seconds` is what the function waits for a tier, `memory_gb` what it holds meanwhile;
    `cloud_share` of the requests go to the cloud with these tokens at these prices (USD per million); `missed_keys` is how
    often the authorizer's answer is not cached; a record has `record_kb`, a request logs `log_kb` and sends `answer_kb`; `metrics` is how many series the records become in CloudWatch."""

    mode: str = ONE_FUNCTION
    seconds: float = 0.8
    memory_gb: float = 1.0
    cloud_share: float = 0.5
    prompt_tokens: int = 500
    output_tokens: int = 200
    price_in: float = 0.06
    price_out: float = 0.24
    records: int = 2
    record_kb: float = 2.5
    log_kb: float = 1.5
    answer_kb: float = 2.0
    missed_keys: float = 0.01
    traced: float = 0.05
    metrics: int = 100


def used(one: Assumptions, requests: float) -> Iterator[tuple[str, float]]:
    """(price key, quantity) of so many requests, the cloud's tokens excepted."""
    millions = requests / 1e6
    yield "apigateway.rest_million", millions
    yield "wafv2.request_million", millions
    yield from _functions(one, requests)
    yield (
        "dynamodb.write_million",
        millions * one.records * -(-one.record_kb // 1) * 2,
    )  # the index is written, too
    yield "kinesis.put_unit_million", millions * one.records * -(-one.record_kb // _KINESIS_KB)
    kept = requests * one.records * _FIREHOSE_KB / 1e6
    yield "firehose.gb", kept
    yield "firehose.partitioned_gb", kept
    yield "cloudwatch.log_gb", requests * one.log_kb / 1e6
    yield "ec2.transfer_out_gb", requests * one.answer_kb / 1e6
    yield "dynamodb.storage_gb_month", requests * one.records * one.record_kb / 1e6
    yield "s3.gb_month", requests * one.records * one.record_kb / 1e6
    yield "xray.trace_million", millions * one.traced


def _functions(one: Assumptions, requests: float) -> Iterator[tuple[str, float]]:
    whole = one.mode == ONE_FUNCTION
    calls = 1.0 if whole else 1.0 + len(STAGES)
    busy_s = one.seconds if whole else one.seconds + _STAGE_S * len(STAGES) + _STAGE_S
    yield "lambda.request_million", (calls + one.missed_keys) * requests / 1e6
    yield "lambda.gb_second", busy_s * one.memory_gb * requests
    if not whole:
        yield "states.transition_thousand", (len(STAGES) + _CHOICES) * requests / 1e3


def tokens_usd(one: Assumptions, requests: float) -> float:
    """What the cloud's models ask for those requests."""
    each = one.prompt_tokens * one.price_in + one.output_tokens * one.price_out
    return requests * one.cloud_share * each / 1e6
