"""The days: what the phone is asked, and how its battery, its temperature and its network are, all from one seed.

Radio figures are those of Huang et al., "A close examination of performance and power characteristics of 4G LTE networks"
(MobiSys 2012): LTE draws 1.29 W while it sends, 1.06 W for 11.6 s after, and needs 0.26 s at 1.21 W to wake up; Wi-Fi draws
0.13 W, with a tail of 0.24 s at 0.12 W. For 3G and 5G the ratios to LTE are assumptions: 0.8 and 1.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from router_core.inference import Device, Network

HOURS: Final = 72
COMMANDS: Final = (
    "turn off the kitchen lights", "set a timer for 5 minutes", "wake me at quarter past six", "make it 21 degrees in here",
    "lock the front door", "call mum", "play some jazz", "what time is it in tokyo", "turn up the volume", "cancel my alarm",
)  # fmt: skip
HARD: Final = (
    "could you perhaps arrange the lamps so it feels like an evening by the sea",
    "do the usual thing before I go out",
    "make everything ready for grandma",
)
CHATS: Final = (
    "Explain in two sentences why the sky is blue.",
    "Write a friendly reply to a colleague who is late with a report.",
    "Summarise the plot of Hamlet for a ten year old.",
    "Why does my sourdough not rise? I followed the recipe twice and the kitchen is rather cold in the morning.",
)
PRIVATE: Final = "set a reminder to take my heart tablets at eight"
_NETWORKS: Final = (
    ("wifi", 18.0, 80.0), ("wifi", 25.0, 40.0), ("5g", 22.0, 120.0), ("4g", 55.0, 25.0), ("3g", 180.0, 3.0), ("offline", 0.0, 0.0)
)  # fmt: skip
_HOME, _AWAY = (0.75, 0.15, 0.04, 0.03, 0.0, 0.03), (0.05, 0.05, 0.3, 0.35, 0.1, 0.15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`kind` command | hard | chat | private; `tokens` of an answer in prose."""

    text: str
    kind: str
    tokens: int
    gap_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One question, and how the phone is when it comes."""

    question: Question
    device: Device
    network: Network


def days(seed: int, per_hour: int) -> Iterator[Moment]:
    """All questions, in order."""
    chance, battery = Random(seed), 0.8
    for hour in range(HOURS):
        charging = hour % 24 < 6
        battery = min(1.0, max(0.05, battery + (0.15 if charging else -0.05)))
        thermal = chance.choices(("nominal", "fair", "serious"), (0.8, 0.15, 0.05))[0]
        device = Device(
            battery=battery, charging=charging, thermal=thermal, executes=True, device_class="phone",
            memory_free_mb=900.0, cpu_load=0.2,
        )  # fmt: skip
        at_home = hour % 24 < 8 or hour % 24 > 18
        for _ in range(per_hour if hour % 24 >= 6 else per_hour // 6):
            kind, rtt_ms, mbps = chance.choices(_NETWORKS, _HOME if at_home else _AWAY)[0]
            network = Network(type=kind, rtt_ms=rtt_ms or None, bandwidth_mbps=mbps or None)
            yield Moment(question=_question(chance, 3600.0 / per_hour), device=device, network=network)


def radio_j(network: str, busy_s: float, gap_s: float) -> float:
    """What the radio takes for an exchange of so many seconds when the next one is `gap_s` away."""
    if network in ("wifi", "ethernet"):
        return 0.13 * busy_s + 0.12 * min(0.24, gap_s)
    scale = {"3g": 0.8, "5g": 1.2}.get(network, 1.0)
    return scale * (1.21 * 0.26 + 1.29 * busy_s + 1.06 * min(11.6, gap_s))


def _question(chance: Random, gap_s: float) -> Question:
    draw, gap = chance.random(), chance.expovariate(1.0 / gap_s)
    if draw < 0.5:
        return Question(text=chance.choice(COMMANDS), kind="command", tokens=20, gap_s=gap)
    if draw < 0.6:
        return Question(text=chance.choice(HARD), kind="hard", tokens=40, gap_s=gap)
    if draw < 0.7:
        return Question(text=PRIVATE, kind="private", tokens=20, gap_s=gap)
    return Question(text=chance.choice(CHATS), kind="chat", tokens=chance.randrange(40, 300), gap_s=gap)
