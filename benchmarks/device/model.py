"""What the shipped model understands, what it refuses, what its promise is worth, and what it costs on one thread.

The sentences come from the generator with seeds that training never used; the second grammar is a set of phrasings of
its own, compared letter by letter with everything that was trained on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.figures import Effort, Table, shown

LIMIT_S: Final = 1800.0
SEED: Final = 31_000
SHARES: Final = (0.01, 0.02, 0.05)
_WORDS: Final = """\
*Exact* is the whole JSON, whatever the confidence; *accepted* are answers above the shipped threshold, *right* the exact
ones among them. Values marked new never stood in training. {near} of {compared} sentences of the second grammar are
within three letters of one of {trained} sentences drawn as for training. Of conversation, exact is what is refused."""
_PROMISE: Final = """\
"At most this share of the answers given is wrong". Exchangeable: half of {count} sentences of the calibration phrasings
choose the threshold, the other half is judged; means of 100 splits, sigma of a share among so many answers. Shifted: those
sentences choose it for {count} of the second grammar, a quarter of each conversation, typing errors and misheard words in
all; there nothing is promised."""
_COST: Final = """\
One process, one thread, {calls} commands with their tokenisation; by CPU time of the thread and by the clock. Memory is
the whole process with the model hot."""
_WORK: Final = """
import json, os, sys, time
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import psutil
from statistics import median, quantiles
from edge_runtime.engines.onnx_intent import OnnxIntentEngine
from edge_runtime.store import SHIPPED
calls, texts = int(sys.argv[1]), json.loads(sys.argv[2])
engine = OnnxIntentEngine.load(SHIPPED / "intent-v1")
for text in texts[:50]:
    engine.parse(text)
wall, cpu = [], []
for at in range(calls):
    began, used = time.perf_counter(), time.thread_time()
    engine.parse(texts[at % len(texts)])
    wall.append(time.perf_counter() - began)
    cpu.append(time.thread_time() - used)
memory = psutil.Process().memory_info().rss / 2**20
print(json.dumps({"wall": [median(wall), quantiles(wall, n=100)[94]], "cpu": [median(cpu), quantiles(cpu, n=100)[94]], "memory": memory}))
"""


def measured(effort: Effort) -> tuple[tuple[Table, ...], dict[str, float]]:
    """Understanding, the promise, and cost, in this order; and the figures that goals speak of."""
    from edge_runtime.engines.onnx_intent import OnnxIntentEngine
    from edge_runtime.store import SHIPPED, ModelStore
    from edge_runtime.training.evaluate import held_out, report
    from edge_runtime.training.vocabulary import whole_words

    folder, count = SHIPPED / "intent-v1", effort.calls // 2
    engine = OnnxIntentEngine.load(folder)
    words = whole_words((folder / "tokenizer.json").read_text(encoding="utf-8"), held_out=True)
    splits = held_out(engine.catalogue, words, count, SEED)
    found = report(engine, splits)
    texts = [sample.text for sample in splits["second grammar, new values"]]
    near, trained = _near(texts[: effort.calls // 4], effort.calls * 24)
    cost = _cost(effort.calls, [text for text in texts if len(text) < 80])
    (model,) = ModelStore().models()
    tables = (
        Table(
            title="Device model: what it understands",
            header=("sentences", "count", "exact", "accepted", "right"),
            rows=_rows(found),
            note=_WORDS.format(near=near, compared=effort.calls // 4, trained=f"{trained:,}"),
        ),
        Table(
            title="Device model: its promise",
            header=_HEADER,
            rows=_promised(engine, words, count),
            note=_PROMISE.format(count=count),
        ),
        Table(
            title="Device model: cost",
            header=("what", "p50", "p95"),
            rows=_costs(cost, model.size_bytes),
            note=_COST.format(calls=effort.calls),
        ),
    )
    return tables, _figures(found, cost)


def _figures(found: dict[str, dict[str, float]], cost: dict[str, Any]) -> dict[str, float]:
    refused = [found[f"{name} grammar, conversation"]["exact"] for name in ("training", "second")]
    return {
        "model_exact_values": found["training grammar, new values"]["exact"] * 100,
        "model_exact_phrasing": found["second grammar, new values"]["exact"] * 100,
        "model_refused": min(refused) * 100,
        "model_parse": cost["wall"][0] * 1e3,
        "model_memory": cost["memory"],
    }


_HEADER: Final = (
    "promised",
    "wrong, exchangeable",
    "limit + 2 sigma",
    "coverage",
    "wrong, shifted",
    "coverage, shifted",
)


def _rows(found: dict[str, dict[str, float]]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (name, str(int(row["count"])), f"{row['exact']:.3f}", f"{row['accepted']:.3f}",
         "" if "conversation" in name else f"{row['right_when_accepted']:.3f}")
        for name, row in found.items()
    )  # fmt: skip


def _promised(engine: Any, words: Sequence[str], count: int) -> tuple[tuple[str, ...], ...]:
    from edge_runtime.training.evaluate import as_users_talk, graded, promise

    pools = [
        graded(engine, as_users_talk(engine.catalogue, words, split, count, SEED + 5))
        for split in ("valid", "test")
    ]
    rows = ((share, promise(pools[0], pools[1], share)) for share in SHARES)
    return tuple(
        (f"{share:.0%}", f"{row['wrong']:.4f}", f"{share + 2 * row['sigma']:.4f}", f"{row['coverage']:.3f}",
         f"{row['wrong, second grammar']:.4f}", f"{row['coverage, second grammar']:.3f}")
        for share, row in rows
    )  # fmt: skip


def _costs(cost: dict[str, Any], size_bytes: int) -> tuple[tuple[str, ...], ...]:
    rows = [
        (f"a command, {name}", f"{shown(cost[key][0] * 1e3)} ms", f"{shown(cost[key][1] * 1e3)} ms")
        for key, name in (("wall", "by the clock"), ("cpu", "CPU time"))
    ]
    return (
        *rows,
        ("memory of the process", f"{shown(cost['memory'])} MB", ""),
        ("model folder", f"{shown(size_bytes / 1e6)} MB", ""),
    )


def _near(tests: list[str], trained: int) -> tuple[int, int]:
    """How many are next to a sentence that was trained on, and how many sentences those are."""
    from edge_runtime.nlu.catalogue import load_catalogue
    from edge_runtime.store import SHIPPED
    from edge_runtime.training.nearness import near_pairs
    from edge_runtime.training.samples import Mix, Sampler
    from edge_runtime.training.vocabulary import whole_words

    manifest = json.loads((SHIPPED / "intent-v1" / "manifest.json").read_text(encoding="utf-8"))
    count = min(trained, int(manifest["training"]["sentences"]))
    words = whole_words(
        (SHIPPED / "intent-v1" / "tokenizer.json").read_text(encoding="utf-8"), held_out=False
    )
    sampler = Sampler(load_catalogue(), words, Mix(), int(manifest["training"]["seed"]))
    pairs = near_pairs(tests, [sampler.draw().text for _ in range(count)])
    return len({test for test, _ in pairs}), count


def _cost(calls: int, texts: list[str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _WORK, str(calls), json.dumps(texts[:300])],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"},
    )
    if done.returncode != 0:
        raise RuntimeError(f"the device model did not run: {done.stderr[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
