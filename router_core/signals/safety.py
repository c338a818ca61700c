"""Whether a text speaks of immediate danger: a vehicle's, a plant's or a patient's.

A hint for the service class. It counts only from devices that report such things (`ClassRules.critical_devices`):
on a phone the same words are small talk.
"""

from __future__ import annotations

import re
from typing import Final

from router_core.signals import triggers
from router_core.signals.reading import Reading, read

_CUES: Final = re.compile(
    r"\b(?:emergency (?:brak\w{1,4}|stop|shutdown|call)|brak(?:e|es|ing)|collision|obstacle|pedestrian|airbag|emergency"
    r"|(?:alarm|alert) (?:from|on|at|triggered|raised|active|sounding)|(?:fire|smoke|gas|pressure|intrusion|temperature) alarm"
    r"|patient|cardiac|arrhythmia|spo2|seizure|overheat(?:s|ed|ing)?|(?:gas|coolant|chemical|fuel|oil) leak|smoke|shutdown"
    r"|intrusion|heart rate)\b"
)


def safety_cues(text: str) -> bool:
    """True if the text speaks of immediate danger: braking, collision, alarms, a patient's state. English."""
    return safety_in(read(text))


def safety_in(reading: Reading) -> bool:
    """As `safety_cues`, for a text that is already prepared."""
    return not reading.hits.isdisjoint(triggers.SAFETY) and _CUES.search(reading.lower) is not None
