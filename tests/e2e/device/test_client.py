"""The client against a real gateway: who answers, what is told, what happens when the gateway goes away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge_runtime import Answer, BlockingClient, Client, DeclinedError, Delta, OfflineError, SlowError
from tests.e2e.device.house import CHAT, PUBLIC, SET_TIMER, SIGNING, TIMER, options
from tests.running import RunningGateway, running_gateway

pytestmark = pytest.mark.server


async def test_a_command_is_answered_on_the_device_by_the_signed_policy(client: Client) -> None:
    answer = await client.command(SET_TIMER)
    assert (answer.tier, answer.target, answer.bundle) == ("device", "device/intent-v1", "signed")
    assert answer.commands == (TIMER,)
    assert answer.fallbacks == ()


async def test_what_the_device_cannot_do_is_asked_of_the_gateway(client: Client) -> None:
    answer = await client.infer(CHAT)
    assert answer.tier in ("mec", "cloud")
    assert answer.text
    assert answer.emulated


async def test_a_command_the_device_does_not_know_goes_on_to_the_gateway_and_says_so(client: Client) -> None:
    answer = await client.command("please colour the moon in a shade of thursday")
    assert answer.tier != "device"
    assert [(each.source, each.reason) for each in answer.fallbacks] == [("device/intent-v1", "refused")]


async def test_a_stream_comes_in_pieces_and_ends_with_the_whole(client: Client) -> None:
    parts = [part async for part in client.stream(CHAT)]
    whole = parts[-1]
    assert isinstance(whole, Answer)
    pieces = [part.text for part in parts[:-1] if isinstance(part, Delta)]
    assert len(pieces) > 1
    assert "".join(pieces) == whole.text


async def test_embeddings_of_one_call_are_of_one_model(client: Client) -> None:
    near = await client.embed(["lamp", "light"], tiers=("device",))
    assert (near.tier, [len(row) for row in near.vectors]) == ("device", [384, 384])
    far = await client.embed(["lamp", "light"], tiers=("cloud",))
    assert far.tier == "cloud"
    assert len({len(row) for row in far.vectors}) == 1


async def test_judgements_reach_the_gateway_for_answers_of_both_sides(
    client: Client, signing_gateway: RunningGateway
) -> None:
    own, asked = await client.command(SET_TIMER), await client.infer(CHAT)
    await client.feedback(own.id, 1.0)
    await client.feedback(asked.id, 0.5)
    await client.deliver()
    assert await client.waiting() == {"dropped": 0}
    with pytest.raises(DeclinedError):
        await client.feedback("dev_000000000000", 1.0)


async def test_a_deadline_ends_a_call_and_a_cancelled_one_stops(client: Client) -> None:
    with pytest.raises(SlowError):
        await client.infer(CHAT, deadline_s=0.005)
    task = asyncio.create_task(client.infer(CHAT))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_request_that_no_budget_allows_says_that_it_is_the_budget(client: Client) -> None:
    with pytest.raises(Exception) as raised:
        await client.infer(CHAT, tiers=("cloud",), max_cost_usd=0.0)
    assert getattr(raised.value, "reason", None) == "over_budget"


def test_code_without_a_loop_uses_the_blocking_client(signing_gateway: RunningGateway) -> None:
    with BlockingClient(
        signing_gateway.url, key=signing_gateway.key, trust=[PUBLIC], options=options(None)
    ) as client:
        assert client.command(SET_TIMER).commands == (TIMER,)
        assert isinstance(list(client.stream(CHAT))[-1], Answer)
        waiting = client.submit(CHAT)
        waiting.cancel()
        assert waiting.cancelled()


async def test_it_keeps_working_when_the_gateway_is_gone_and_tells_when_it_is_back(
    signing_gateway: RunningGateway, tmp_path: Path
) -> None:
    home = options(tmp_path / "home")
    with running_gateway("--sandbox", folder=tmp_path, environment=SIGNING) as gateway:
        client = Client(gateway.url, key=gateway.key, trust=[PUBLIC], options=home)
        await client.start()
        gateway.process.terminate()
        await asyncio.to_thread(gateway.process.wait)
    assert (await client.command(SET_TIMER)).tier == "device"
    with pytest.raises(OfflineError):
        await client.infer(CHAT)
    queued = await client.infer(CHAT, when_offline="queue", session_id="s1")
    assert queued.status == "queued"
    assert await client.waiting() == {"report": 1, "request": 1, "dropped": 0}
    await client.close()
    async with Client(signing_gateway.url, key=signing_gateway.key, trust=[PUBLIC], options=home) as later:
        await later.deliver()
        assert await later.waiting() == {"dropped": 0}
        ((collected, result),) = await later.collect()
        assert collected == queued.id
        assert "error" not in result, result
        assert result["answer"]["output"]["text"]
        assert await later.collect() == []
