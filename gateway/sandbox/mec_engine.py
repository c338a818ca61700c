"""The load of the stand-in node: slots, waiting requests, cache use and the counters that `/metrics` shows.

A router reads these figures to choose a node, so they come from real in-flight requests: a request past the
slots really waits, a repeated prompt really hits the prefix cache and starts sooner.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

BLOCK_CHARACTERS = 64
BLOCK_TOKENS = 16
MAX_CACHED_BLOCKS = 4_096
TTFT_BUCKETS_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


@dataclass(slots=True)
class Counts:
    """Counters of one model since the node started; tokens unless the name says otherwise."""

    running: int = 0
    waiting: int = 0
    prompt_tokens: int = 0
    generation_tokens: int = 0
    prefix_queries: int = 0
    prefix_hits: int = 0
    finished: Counter[str] = field(default_factory=Counter)
    ttft_sum_s: float = 0.0
    ttft_buckets: list[int] = field(default_factory=lambda: [0] * (len(TTFT_BUCKETS_S) + 1))

    def observe_ttft(self, seconds: float) -> None:
        """Count one time to first token."""
        self.ttft_sum_s += seconds
        place = next((i for i, edge in enumerate(TTFT_BUCKETS_S) if seconds <= edge), len(TTFT_BUCKETS_S))
        self.ttft_buckets[place] += 1


class Engine:
    """Admits requests into a bounded number of slots, first come first served."""

    def __init__(self, models: tuple[str, ...], *, slots: int, kv_tokens: int) -> None:
        self.counts = {model: Counts() for model in models}
        self._slots = asyncio.Semaphore(slots)
        self._kv_tokens = kv_tokens
        self._kv_used = 0
        self._blocks: OrderedDict[int, None] = OrderedDict()

    @property
    def kv_usage(self) -> float:
        """Share of the cache that running requests hold, 0 to 1."""
        return min(1.0, self._kv_used / self._kv_tokens)

    @contextlib.asynccontextmanager
    async def slot(self, model: str, tokens: int) -> AsyncIterator[None]:
        """Wait for a slot and hold it, with `tokens` of cache, until the block ends or is cancelled."""
        counts = self.counts[model]
        counts.waiting += 1
        try:
            await self._slots.acquire()
        finally:
            counts.waiting -= 1
        counts.running += 1
        self._kv_used += tokens
        try:
            yield
        finally:
            self._kv_used -= tokens
            counts.running -= 1
            self._slots.release()

    def read_prompt(self, model: str, prompt: str, tokens: int) -> int:
        """Count a prompt and remember its full blocks; returns the prompt tokens that were cached already."""
        counts = self.counts[model]
        counts.prompt_tokens += tokens
        counts.prefix_queries += tokens
        hits, missed = 0, False
        key = zlib.crc32(model.encode())
        for start in range(0, len(prompt) - BLOCK_CHARACTERS + 1, BLOCK_CHARACTERS):
            # Chained: a block counts only behind the same beginning, as in a real prefix cache.
            key = zlib.crc32(prompt[start : start + BLOCK_CHARACTERS].encode(errors="replace"), key)
            missed = missed or key not in self._blocks
            hits += 0 if missed else BLOCK_TOKENS
            self._blocks[key] = None
            self._blocks.move_to_end(key)
            if len(self._blocks) > MAX_CACHED_BLOCKS:
                self._blocks.popitem(last=False)
        hits = min(hits, tokens)
        counts.prefix_hits += hits
        return hits

    def finish(self, model: str, reason: str, tokens: int) -> None:
        """Count a request that ended by itself."""
        counts = self.counts[model]
        counts.finished[reason] += 1
        counts.generation_tokens += tokens
