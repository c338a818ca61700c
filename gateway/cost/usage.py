"""What one request uses of the services that are paid for by use, as assumptions that a reader can change.

A request on the default path is one call of the API, one of the `api` function and two records. Answered by the stages it
is also one run of the express machine and one call of each stage, while the door's function waits and is paid for as well.
An asynchronous request runs the standard machine, which is paid for by its states, and nobody waits. Each line names its
price, so that nothing is counted that no price stands for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from router_core.record import dataclass
from router_core.stages import STAGES

ONE_FUNCTION: Final = "one-function"
STATE_MACHINE: Final = "state-machine"
ASYNC: Final = "async"
MODES: Final = (ONE_FUNCTION, STATE_MACHINE, ASYNC)
_STAGE_S: Final = 0.02
"""What a stage takes beside waiting for a tier."""
_CHOICES: Final = 2
"""States of the machine beside the stages: whether the cache had it, whether a tier must be left."""
_EXPRESS_GB: Final = 0.0625
"""An express run is paid for in steps of 64 MB; ours holds less."""
_EXPRESS_LOG_KB: Final = 6.0
"""Its history is its log: some twenty events without their data."""
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
    log_kb = one.log_kb + _EXPRESS_LOG_KB * (one.mode == STATE_MACHINE)
    yield "cloudwatch.log_gb", requests * log_kb / 1e6
    yield "ec2.transfer_out_gb", requests * one.answer_kb / 1e6
    yield "dynamodb.storage_gb_month", requests * one.records * one.record_kb / 1e6
    yield "s3.gb_month", requests * one.records * one.record_kb / 1e6
    yield "xray.trace_million", millions * one.traced


def _functions(one: Assumptions, requests: float) -> Iterator[tuple[str, float]]:
    staged = one.mode != ONE_FUNCTION
    run_s = one.seconds + _STAGE_S * len(STAGES)
    door_s = {ONE_FUNCTION: one.seconds, STATE_MACHINE: run_s + _STAGE_S, ASYNC: _STAGE_S}[one.mode]
    calls = 1.0 + len(STAGES) * staged
    yield "lambda.request_million", (calls + one.missed_keys) * requests / 1e6
    yield "lambda.gb_second", (door_s + run_s * staged) * one.memory_gb * requests
    if one.mode == ASYNC:
        yield "states.transition_thousand", (len(STAGES) + _CHOICES) * requests / 1e3
    if one.mode == STATE_MACHINE:
        yield "states.express_million", requests / 1e6
        yield "states.express_gb_second", run_s * _EXPRESS_GB * requests


def tokens_usd(one: Assumptions, requests: float) -> float:
    """What the cloud's models ask for those requests."""
    each = one.prompt_tokens * one.price_in + one.output_tokens * one.price_out
    return requests * one.cloud_share * each / 1e6
