"""What the server tells of itself, under vLLM's names, so that whoever watches vLLM nodes can watch this one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

EDGES_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(slots=True)
class Spread:
    """A Prometheus histogram of seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * len(EDGES_S))
    total: int = 0
    sum_s: float = 0.0

    def add(self, seconds: float) -> None:
        """One observation."""
        self.total += 1
        self.sum_s += seconds
        for i, edge in enumerate(EDGES_S):
            self.counts[i] += seconds <= edge

    def lines(self, name: str, label: str) -> list[str]:
        """The exposition lines."""
        buckets = [
            f'{name}_bucket{{{label},le="{edge:g}"}} {count}'
            for edge, count in zip(EDGES_S, self.counts, strict=True)
        ]
        last = f'{name}_bucket{{{label},le="+Inf"}} {self.total}'
        return [
            *buckets,
            last,
            f"{name}_sum{{{label}}} {self.sum_s:.6f}",
            f"{name}_count{{{label}}} {self.total}",
        ]


@dataclass(slots=True)
class Figures:
    """Counters of one model."""

    at_once: int = 1
    running: int = 0
    prompt_tokens: int = 0
    generation_tokens: int = 0
    finished: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    first: Spread = field(default_factory=Spread)
    latency: Spread = field(default_factory=Spread)

    def text(self, model: str) -> str:
        """The Prometheus exposition. `at_once` calls are worked on together, the others wait for the owner thread."""
        label = f'model_name="{model}"'
        lines = [
            "# TYPE vllm:num_requests_running gauge",
            f"vllm:num_requests_running{{{label}}} {min(self.at_once, self.running)}",
            "# TYPE vllm:num_requests_waiting gauge",
            f"vllm:num_requests_waiting{{{label}}} {max(0, self.running - self.at_once)}",
            "# TYPE vllm:kv_cache_usage_perc gauge",
            f"vllm:kv_cache_usage_perc{{{label}}} 0",
            "# TYPE vllm:prompt_tokens_total counter",
            f"vllm:prompt_tokens_total{{{label}}} {self.prompt_tokens}",
            "# TYPE vllm:generation_tokens_total counter",
            f"vllm:generation_tokens_total{{{label}}} {self.generation_tokens}",
            "# TYPE vllm:admission_rejections_total counter",
            f'vllm:admission_rejections_total{{{label},reason="capacity"}} {self.refused}',
            "# TYPE vllm:request_success_total counter",
        ]
        lines += [
            f'vllm:request_success_total{{{label},finished_reason="{reason}"}} {count}'
            for reason, count in sorted(self.finished.items())
        ]
        spreads = {
            "vllm:time_to_first_token_seconds": self.first,
            "vllm:e2e_request_latency_seconds": self.latency,
        }
        for name, spread in spreads.items():
            lines += [f"# TYPE {name} histogram", *spread.lines(name, label)]
        return "\n".join(lines) + "\n"
