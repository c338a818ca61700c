"""Feature sets to decide, and what was decided: the vectors by which a client in another language proves itself.

`python -m tests.unit.edge_runtime.vectors` writes the committed ones again.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Final

from edge_runtime.protocol.bundle import bundle_document, bundle_payload, read_bundle
from router_core.context import RequestContext
from router_core.errors import NoTargetError
from router_core.inference import OBJECTIVES, THERMALS
from router_core.policy.document import Policy
from router_core.resources import Target, TargetSpec, TargetState
from router_core.routing.decide import decide
from router_core.routing.table import TargetTable, compile_table

FILE: Final = Path(__file__).parents[3] / "docs" / "device-protocol" / "vectors.json"
COMMITTED: Final = 120
SPECS: Final = (
    TargetSpec(
        name="device/intent-v1", tier="device", kind="onnx", model="intent-v1", tasks=("command", "embed"),
        tools=False, json_output=False, logprobs=False, many_choices=False, context_tokens=128, groups=("*",),
        ttft_ms=4.0, decode_ms=0.0, rtt_ms=0.0, energy_request_j=0.05, energy_token_j=0.0, memory_mb=60.0,
        quality={"command": 0.95}, capability=0.35,
    ),
    TargetSpec(
        name="mec/a", tier="mec", kind="openai", model="llama", region="eu-central-1", groups=("eu", "de"), lat=50.1,
        lon=8.7, ttft_ms=120.0, decode_ms=12.0, quality={"chat": 0.7, "command": 0.8}, max_privacy="restricted",
    ),
    TargetSpec(
        name="mec/b", tier="mec", kind="openai", model="llama", region="eu-central-1", groups=("eu", "de"), lat=50.1,
        lon=8.7, ttft_ms=120.0, decode_ms=12.0, quality={"chat": 0.7, "command": 0.8}, max_privacy="restricted",
    ),
    TargetSpec(
        name="cloud/big", tier="cloud", kind="bedrock", model="big", region="us-east-1", groups=("us",), price_in=0.8,
        price_out=3.2, context_tokens=300_000, modalities=("text", "image"), ttft_ms=450.0, decode_ms=8.0,
        quality={"chat": 0.92, "command": 0.9, "extract": 0.9}, capability=0.95, energy_token_j=2.0,
    ),
)  # fmt: skip
STATES: Final = (
    TargetState(health="up"),
    TargetState(health="up", ttft_ms=95.0, decode_ms=11.0, error_rate=0.02),
    TargetState(health="up", ttft_ms=95.0, decode_ms=11.0, error_rate=0.02),
    TargetState(health="up", quality_delta=0.013),
)


def payload() -> bytes:
    """The bundle under all vectors, as a gateway would make it."""
    targets = [Target(spec=spec, state=state) for spec, state in zip(SPECS, STATES, strict=True)]
    return bundle_payload(bundle_document(Policy(), targets, ()), issued_s=1_800_000_000.0, ttl_s=3600.0)


def features(count: int, seed: int = 7) -> list[dict[str, Any]]:
    """So many feature sets, over everything that a filter or a score reads; those of a text without a scorer."""
    chance = random.Random(seed)
    return [_context(chance, number).features() for number in range(count)]


def answer(context: RequestContext, table: TargetTable) -> dict[str, Any]:
    """What is decided, scores rounded to 1e-9; where nothing is, each target's first word of refusal."""
    try:
        made = decide(context, table)
    except NoTargetError as error:
        words = {name: reason.partition(":")[0] for name, reason in error.rejected.items()}
        return {"target": None, "rejected": words}
    return {
        "target": made.target,
        "fallbacks": list(made.fallbacks),
        "scores": {name: round(score, 9) for name, score in sorted(made.scores.items())},
        "rejected": {name: reason.partition(":")[0] for name, reason in sorted(made.rejected.items())},
    }


def vectors(count: int, seed: int = 7) -> dict[str, Any]:
    """The document: one bundle and its cases."""
    said = payload()
    bundle = read_bundle(said)
    table = compile_table(bundle.state, bundle.policy)
    cases = [
        {"features": each, "decision": answer(RequestContext.from_features(each), table)}
        for each in features(count, seed)
    ]
    return {"schema": 1, "bundle": json.loads(said), "cases": cases}


def _context(chance: random.Random, number: int) -> RequestContext:
    def maybe(value: Any, share: float = 0.25) -> Any:
        return value if chance.random() < share else None

    task = chance.choice((*("chat", "command") * 5, "extract", "embed"))
    prompt = chance.choice((*(9, 40, 70) * 5, 120, 700, 9_000, 400_000))
    output = chance.choice((8, 24, 120, 400))
    return RequestContext(
        request_id=f"req_{number:05d}",
        tenant="t",
        task=task,
        request_class=chance.choice(("simple", "complex", "critical", "batch")),
        complexity=round(chance.random(), 3),
        prompt_tokens=prompt,
        output_tokens=output,
        max_output_tokens=chance.choice((output, 4096)),
        fit_tokens=prompt + output,
        modalities=chance.choice((*(1,) * 15, 3)),
        tools=chance.random() < 0.1,
        stream=chance.random() < 0.3,
        privacy=chance.choice((0, *(1,) * 8, 2, 3)),
        residency=chance.choice((*((),) * 8, ("eu",), ("us",))),
        optimize=chance.choice(OBJECTIVES),
        tiers=chance.choice((("device", "mec", "cloud"),) * 10 + (("device",), ("mec", "cloud"))),
        max_latency_ms=maybe(chance.choice((50.0, 300.0, 2_000.0, 9_000.0)), 0.15),
        max_cost_usd=maybe(chance.choice((0.0, 0.0005, 0.01)), 0.15),
        offline=chance.random() < 0.05,
        executes=True,
        battery=maybe(round(chance.random(), 2), 0.7),
        charging=chance.random() < 0.3,
        thermal=maybe(chance.choice(THERMALS), 0.5),
        memory_free_mb=maybe(chance.choice((32.0, 900.0))),
        cpu_load=maybe(round(chance.random(), 2), 0.5),
        rtt_ms=maybe(chance.choice((8.0, 45.0, 260.0)), 0.6),
        session_target=maybe(chance.choice(SPECS).name),
        prefix_target=maybe(chance.choice(SPECS).name),
    )


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    document = vectors(COMMITTED)
    lines = ",\n".join(json.dumps(case, sort_keys=True, separators=(",", ":")) for case in document["cases"])
    head = json.dumps({"schema": 1, "bundle": document["bundle"]}, sort_keys=True, separators=(",", ":"))
    FILE.write_text(f'{head[:-1]},"cases":[\n{lines}\n]}}\n', encoding="utf-8")
