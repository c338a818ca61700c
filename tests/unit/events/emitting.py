"""A process that emits numbered records until it is killed, and says up to which number they are durable.

python emitting.py DIRECTORY FIRST
"""

from __future__ import annotations

import sys
from pathlib import Path

from router_core.adapters.events.log import EventLog
from tests.unit.events.records import outcome


def main() -> None:
    directory, number = Path(sys.argv[1]), int(sys.argv[2])
    log = EventLog(
        directory, worker="w0", max_bytes=20_000, keep_files=100_000, fsync="interval", queue_size=2_000
    )
    while True:
        for _ in range(150):
            log.emit(outcome(number))
            number += 1
        if log.flush():
            sys.stdout.write(f"{number} {log.dropped}\n")
            sys.stdout.flush()
        for _ in range(100):
            log.emit(outcome(number))
            number += 1


if __name__ == "__main__":
    main()
