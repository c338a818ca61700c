"""The life of an asynchronous request: its stages, and which change of stage is one.

CREATED -> GATEWAY -> INFERENCE -> JUDGE -> COMPLETED, or FAILED. CREATED is stored and waits; GATEWAY was held back by a
limit or by busy targets and waits for its turn; INFERENCE is being answered; JUDGE has its answer and waits for a score.
A queue hands out a job only in the stages that belong to it, so that a message that comes twice, late or out of order
finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CREATED: Final = "CREATED"
GATEWAY: Final = "GATEWAY"
INFERENCE: Final = "INFERENCE"
JUDGE: Final = "JUDGE"
COMPLETED: Final = "COMPLETED"
FAILED: Final = "FAILED"
STAGES: Final = (CREATED, GATEWAY, INFERENCE, JUDGE, COMPLETED, FAILED)
TERMINAL: Final = frozenset((COMPLETED, FAILED))

ANSWERING: Final = "inference"
JUDGING: Final = "judge"
WEBHOOKS: Final = "webhook"
QUEUES: Final = (ANSWERING, JUDGING, WEBHOOKS)

SERVES: Final[Mapping[str, frozenset[str]]] = {
    ANSWERING: frozenset((CREATED, GATEWAY, INFERENCE)),
    JUDGING: frozenset((JUDGE,)),
    WEBHOOKS: TERMINAL,
}
"""The stages in which a job has something to do for a queue."""
_FOLLOWS: Final[Mapping[str, frozenset[str]]] = {
    CREATED: frozenset((GATEWAY, INFERENCE, FAILED)),
    GATEWAY: frozenset((INFERENCE, FAILED)),
    INFERENCE: frozenset((GATEWAY, JUDGE, COMPLETED, FAILED)),
    JUDGE: frozenset((COMPLETED,)),
    COMPLETED: frozenset((JUDGE,)),
    FAILED: frozenset((CREATED,)),
}


def left_by(queue: str, stage: str) -> frozenset[str]:
    """The stages from which a worker of the queue may bring a job to `stage`. Out of a terminal stage only an operator's
    redrive leads; telling of a job leaves it where it is."""
    if queue == WEBHOOKS:
        return SERVES[queue]
    return frozenset(before for before in SERVES[queue] if stage in _FOLLOWS[before])


def message_key(request_id: str, queue: str) -> str:
    """The name of the one message that a job has in a queue: published twice, it is still one."""
    return f"{request_id}/{queue}"
