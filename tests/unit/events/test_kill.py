"""Killed at any moment, the log holds everything that was synced and nothing that is not whole."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from router_core.adapters.events.reader import Damage, read
from tests.unit.events.records import outcome, writer

ROOT = Path(__file__).resolve().parents[3]


def killed_run(directory: Path, first: int, chance: random.Random) -> int:
    """Start the emitting program, kill it at a random moment of its work; the number below which all was synced."""
    command = [sys.executable, "-m", "tests.unit.events.emitting", str(directory), str(first)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(chance.randint(1, 4)):
            assert process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.03))
        process.kill()
        rest = [line for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    return int(rest[-1].split()[0]) if rest else first


def test_after_kill_9_every_synced_record_is_there_and_no_broken_one(
    tmp_path: Path, at_size: Callable[[int, int], int]
) -> None:
    """Many lives of one worker in one directory, each killed while its thread is writing."""
    chance = random.Random(9)
    for life in range(at_size(12, 150)):
        directory, first = tmp_path / str(life % 4), life * 1_000_000
        synced = killed_run(directory, first, chance)
        found = [record for record in read(directory, Damage()) if record["time"] >= first]
        assert all(record == outcome(int(record["time"])) for record in found)
        numbers = [int(record["time"]) for record in found]
        assert numbers == list(range(first, first + len(numbers)))
        assert first + len(numbers) >= synced


def test_a_file_cut_at_any_byte_gives_the_whole_records_before_the_cut(tmp_path: Path) -> None:
    """What a kill in the middle of a write, or a lost page, can leave; too rare to wait for, so made by hand."""
    written = [outcome(n) for n in range(3)]
    writer(tmp_path).write(written)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    for end in range(len(content)):
        path.write_bytes(content[:end])
        damage = Damage()
        found = list(read(tmp_path, damage))
        whole = content.count(b"\n", 0, end)
        assert found == written[:whole]
        assert damage.frames == (0 if end in (0, content.rfind(b"\n", 0, end) + 1) else 1)
