"""The phone of the three days as a process of its own, so that it can be killed: `phone.py HOME URL TRUST FIRST_HOUR PER_HOUR`.

It says on stdout which hour it is and who answered each question; its parent ends it when it likes.
"""

from __future__ import annotations

import asyncio
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime import Client, ClientError, Options
from router_core.inference import Device
from tests.e2e.device.house import CHAT, SET_TIMER

HOURS = 72
SECRET = "zebra-crossing-7"


@dataclass(slots=True)
class Phone:
    """What the trace says of this hour."""

    battery: float = 0.8
    charging: bool = False
    thermal: str = "nominal"

    def device(self) -> Device:
        return Device(
            battery=self.battery,
            charging=self.charging,
            thermal=self.thermal,
            executes=True,
            device_class="phone",
        )

    def hour(self, number: int) -> None:
        """The same hour is the same, whoever lives through it."""
        chance = random.Random(number)
        self.charging = number % 24 < 6
        self.battery = 0.9 if self.charging else max(0.03, 0.9 - 0.05 * (number % 24 - 6))
        self.thermal = chance.choice(("nominal", "nominal", "nominal", "fair", "serious"))


def ask(chance: random.Random) -> tuple[str, Any]:
    """A question and what is wished for it."""
    draw = chance.random()
    if draw < 0.55:
        return SET_TIMER, {}
    if draw < 0.7:
        return f"set a timer for 5 minutes called {SECRET}", {"privacy": "restricted"}
    if draw < 0.8:
        return f"tell me about {SECRET}", {"privacy": "restricted", "when_offline": "queue"}
    return CHAT, {"when_offline": "queue", "session_id": f"s{chance.randrange(3)}"}


async def live(home: Path, url: str, trust: str, first_hour: int, per_hour: int) -> None:
    """Until the last hour, or until it is killed."""
    phone = Phone()
    phone.hour(first_hour)
    client = Client(url, trust=[trust], options=Options(home=home, device=phone.device, look_s=0.0))
    for number in range(first_hour, HOURS):
        phone.hour(number)
        say(f"hour {number}")
        chance = random.Random(1_000 + number)
        for _ in range(per_hour):
            text, wishes = ask(chance)
            try:
                say(f"answer {(await client.infer(text, **wishes)).tier}")
            except ClientError as error:
                say(f"error {error.reason}")
        await client.deliver()
    for _ in range(50):
        if set(await client.waiting()) == {"dropped"}:
            break
        await client.deliver()
    say(f"left {await client.waiting()}")
    await client.close()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    place, gateway, key, hour, count = sys.argv[1:]
    asyncio.run(live(Path(place), gateway, key, int(hour), int(count)))
