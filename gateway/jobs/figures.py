"""How full the queues are, for metrics: as seen from this process a few seconds ago."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from router_core.jobs.records import Depth

_STATES: Final = ("waiting", "delayed", "running", "dead")
_OLDEST: Final = "tierwise_jobs_oldest_seconds"
_DROPPED: Final = "tierwise_jobs_unsampled_total"


@dataclass(slots=True)
class JobFigures:
    """The last look, and how many synchronous answers that were drawn for a judge could not be stored."""

    depths: tuple[Depth, ...] = ()
    unsampled: Callable[[], int] = int

    def exposition(self) -> bytes:
        """Prometheus' text form."""
        rows = [
            "# HELP tierwise_jobs_messages Messages of asynchronous requests, of all processes at this store.",
            "# TYPE tierwise_jobs_messages gauge",
            *(
                f'tierwise_jobs_messages{{queue="{depth.queue}",state="{state}"}} {getattr(depth, state)}'
                for depth in self.depths
                for state in _STATES
            ),
            f"# HELP {_OLDEST} How long the oldest message waits that could be worked on.",
            f"# TYPE {_OLDEST} gauge",
            *(f'{_OLDEST}{{queue="{depth.queue}"}} {depth.oldest_s:.3f}' for depth in self.depths),
            f"# HELP {_DROPPED} Answers that were drawn for a judge and could not be stored.",
            f"# TYPE {_DROPPED} counter",
            f"{_DROPPED} {self.unsampled()}",
        ]
        return ("\n".join(rows) + "\n").encode()
