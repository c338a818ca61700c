"""The node's `/metrics` page in the Prometheus text format, under the names vLLM 0.32 uses."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.sandbox.mec_engine import TTFT_BUCKETS_S, Counts, Engine

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FINISH_REASONS = ("stop", "length", "abort", "error")


def exposition(engine: Engine) -> str:
    """The page; every series carries `engine` and `model_name`."""
    lines: list[str] = []
    lines += _family(
        "num_requests_running", "gauge", ((m, float(c.running)) for m, c in engine.counts.items())
    )
    lines += _family(
        "num_requests_waiting", "gauge", ((m, float(c.waiting)) for m, c in engine.counts.items())
    )
    lines += _family("kv_cache_usage_perc", "gauge", ((m, engine.kv_usage) for m in engine.counts))
    totals: dict[str, str] = {
        "prefix_cache_queries": "prefix_queries",
        "prefix_cache_hits": "prefix_hits",
        "prompt_tokens": "prompt_tokens",
        "generation_tokens": "generation_tokens",
    }
    for name, attribute in totals.items():
        values = ((m, float(getattr(c, attribute))) for m, c in engine.counts.items())
        lines += _family(f"{name}_total", "counter", values)
    lines += _finished(engine)
    lines += _ttft(engine)
    return "\n".join(lines) + "\n"


def _labels(model: str, extra: str = "") -> str:
    escaped = model.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{{engine="0",{extra}model_name="{escaped}"}}'


def _family(name: str, kind: str, values: Iterator[tuple[str, float]]) -> list[str]:
    rows = [f"vllm:{name}{_labels(model)} {value}" for model, value in values]
    return [f"# HELP vllm:{name} {name.replace('_', ' ')}", f"# TYPE vllm:{name} {kind}", *rows]


def _finished(engine: Engine) -> list[str]:
    name = "vllm:request_success_total"
    rows = []
    for model, counts in engine.counts.items():
        for reason in _FINISH_REASONS:
            labels = _labels(model, 'finished_reason="' + reason + '",')
            rows.append(f"{name}{labels} {float(counts.finished[reason])}")
    return [f"# HELP {name} requests that ended", f"# TYPE {name} counter", *rows]


def _ttft(engine: Engine) -> list[str]:
    name = "vllm:time_to_first_token_seconds"
    rows = [row for model, counts in engine.counts.items() for row in _histogram(name, model, counts)]
    return [f"# HELP {name} time to first token", f"# TYPE {name} histogram", *rows]


def _histogram(name: str, model: str, counts: Counts) -> Iterator[str]:
    total = 0
    for edge, count in zip([*map(str, TTFT_BUCKETS_S), "+Inf"], counts.ttft_buckets, strict=True):
        total += count
        bound = 'le="' + edge + '",'
        yield f"{name}_bucket{_labels(model, bound)} {float(total)}"
    yield f"{name}_count{_labels(model)} {float(total)}"
    yield f"{name}_sum{_labels(model)} {counts.ttft_sum_s}"
