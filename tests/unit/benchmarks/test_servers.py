"""The model server and the stream reader of the benchmarks work together, and processes are counted and stopped."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import pytest

from benchmarks.contestants import Contestant, headers
from benchmarks.load import body, request_head
from benchmarks.processes import cpu_s, rss_mb, running, runs, tree
from benchmarks.stream_client import Streamed, read_stream
from benchmarks.streams import Held
from benchmarks.upstream import TEXT, Upstream


async def listening() -> tuple[asyncio.Server, Contestant]:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    return server, Contestant(name="direct", url=url, headers=headers("key"))


async def test_a_stream_is_read_chunk_by_chunk_to_its_end() -> None:
    server, direct = await listening()
    async with server:
        streamed = await read_stream(direct, "seed", 5)
    assert streamed.complete
    assert streamed.chunks == 5
    assert len(streamed.gaps_ms) == 4
    assert all(delay >= 0 for delay in streamed.delays_ms)


async def test_an_answer_that_is_not_streamed_is_whole_and_the_connection_is_kept() -> None:
    server, direct = await listening()
    content = body("seed", 1, "")
    async with server:
        reader, writer = await asyncio.open_connection(*direct.address)
        for _ in range(2):
            writer.write(request_head(direct) % len(content) + content)
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
            answer = json.loads(await reader.readexactly(size))
            assert answer["choices"][0]["message"]["content"] == TEXT
        writer.close()


@pytest.mark.parametrize(
    ("streamed", "stalled"),
    [
        (Streamed(gaps_ms=[20.0, 99.0], delays_ms=[0.1] * 3, complete=True), 0),
        (Streamed(gaps_ms=[20.0, 101.0], delays_ms=[0.1] * 3, complete=True), 1),
        (Streamed(gaps_ms=[20.0], delays_ms=[0.1] * 2, complete=False), 1),
    ],
)
def test_a_stream_counts_as_stalled_for_a_long_gap_or_a_missing_end(streamed: Streamed, stalled: int) -> None:
    assert Held(level=1, streams=[streamed], cpu_us=0.0).stalled == stalled


def test_a_program_is_counted_with_its_children_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    child = "import time; sum(range(10_000_000)); print('ready', flush=True); time.sleep(60)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with running([sys.executable, "-c", parent], tmp_path / "log") as program:
        while b"ready" not in program.log.read_bytes():
            assert program.process.poll() is None
            time.sleep(0.01)
        pids = tree(program.process.pid)
        assert len(pids) == 2
        assert cpu_s(program.process.pid) > 0.02
        assert rss_mb(program.process.pid) > 8
    assert not [pid for pid in pids if runs(pid)]
