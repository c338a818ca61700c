"""What an app imports: every public name, and the same calls with and without a loop of one's own."""

from __future__ import annotations

import inspect
from pathlib import Path

import edge_runtime
from edge_runtime import BlockingClient, Client, Device, Options

LOOP_ONLY = {"start"}
"""A blocking client does this by itself."""


def test_every_public_name_is_there() -> None:
    assert {"BlockingClient", "Client", "Conditions", "Library", "Options"} <= set(edge_runtime.__all__)
    for name in edge_runtime.__all__:
        assert inspect.isclass(getattr(edge_runtime, name)), name


def test_both_clients_have_the_same_calls() -> None:
    calls = {name for name, _ in inspect.getmembers(Client, inspect.isfunction) if not name.startswith("_")}
    blocking = {
        name for name, _ in inspect.getmembers(BlockingClient, inspect.isfunction) if not name.startswith("_")
    }
    assert calls - LOOP_ONLY <= blocking


def test_a_script_without_a_loop_gets_its_answer(tmp_path: Path) -> None:
    options = Options(home=tmp_path, device=lambda: Device(executes=True))
    with BlockingClient(options=options) as client:
        client.warm()
        assert client.decide("set a timer for 5 minutes").target == "device/intent-v1"
        answer = client.command("set a timer for 5 minutes")
        assert answer.commands == ({"intent": "set_timer", "slots": {"duration_s": 300}},)
        client.feedback(answer.id, 1.0)
        waiting = client.waiting()
    assert (waiting["report"], waiting["judgement"]) == (1, 1)
