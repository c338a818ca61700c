"""What is particular to AgentCore's memory: whose event counts, lists that lag, tokens that are forgotten, and faults."""

from __future__ import annotations

import asyncio
from typing import Any

import botocore.session
import pytest

from router_core.adapters.aws.agentcore_memory import FAULTS, MAX_VALUE_BYTES, OPERATIONS, AgentCoreStateStore
from router_core.errors import StaleStateError, StoreError
from tests.contract.agentcore.memory_server import MEMORY, Memory, connected


@pytest.fixture
def two() -> Any:
    """The memory, and two processes that use it."""
    with connected() as (memory, client):
        yield memory, AgentCoreStateStore(client, MEMORY), AgentCoreStateStore(client, MEMORY)


def events(memory: Memory) -> int:
    return sum(len(session) for session in memory.events.values())


async def test_what_was_replaced_is_deleted_and_nothing_names_the_key(two: Any) -> None:
    memory, store, other = two
    for n in range(5):
        await store.put("tenant acme/secret", b"%d" % n)
    assert events(memory) == 1
    assert "acme" not in str(memory.events)
    found = await other.get("tenant acme/secret")
    assert found is not None and (found.value, found.version) == (b"4", 5)


async def test_who_reads_a_list_that_lags_does_not_win(two: Any) -> None:
    """A writer that still sees the value before uses a token that is taken: its write is ignored and it is told so."""
    memory, store, other = two
    await store.put("a", b"1")
    memory.delete, deleted = (lambda given: {"eventId": given["eventId"]}), memory.delete
    await store.put("a", b"2", expected=1)
    memory.lag = 1
    with pytest.raises(StaleStateError):
        await other.put("a", b"wrong", expected=1)
    memory.lag, memory.delete = 0, deleted
    found = await other.get("a")
    assert found is not None and found.value == b"2"


async def test_a_key_that_begins_again_is_not_taken_for_the_one_before(two: Any) -> None:
    memory, store, other = two
    for _ in range(3):
        assert await store.put("a", b"x", expected=0) == 1
        await other.delete("a")
        assert await store.get("a") is None
    assert events(memory) == 1, "a mark stays"


async def test_where_the_service_forgot_a_token_all_agree_on_one_event(two: Any) -> None:
    memory, store, other = two
    await store.put("a", b"0")
    memory.tokens = None
    results = await asyncio.gather(
        *(one.put("a", b"%d" % n, expected=1) for n, one in enumerate((store, other) * 4)),
        return_exceptions=True,
    )
    assert all(result == 2 or isinstance(result, StaleStateError) for result in results)
    assert await store.get("a") == await other.get("a") != None  # noqa: E711 - both, and something


async def test_events_of_somebody_else_are_passed_over(two: Any) -> None:
    memory, store, _ = two
    await store.put("a", b"1")
    session = next(iter(memory.events.values()))
    for n, payload in enumerate(([], [{"json": {"content": {"place": "x"}}}], [{"blob": "y"}])):
        event = {**next(iter(session.values())), "payload": payload, "eventId": f"9{n}#ab"}
        session[event["eventId"]] = event
    found = await store.get("a")
    assert found is not None and found.value == b"1"


async def test_many_pages_are_read(two: Any) -> None:
    memory, store, _ = two
    await store.put("a", b"1")
    session = next(iter(memory.events.values()))
    for n in range(230):
        session[f"9{n}#ab"] = {**next(iter(session.values())), "payload": [], "eventId": f"9{n}#ab"}
    found = await store.get("a")
    assert found is not None and found.value == b"1"
    assert memory.calls.count("ListEvents") >= 3


async def test_what_does_not_fit_into_an_event_is_refused(two: Any) -> None:
    _memory, store, _other = two
    await store.put("a", b"\xff" * MAX_VALUE_BYTES)
    with pytest.raises(StoreError):
        await store.put("a", b"x" * (MAX_VALUE_BYTES + 1))
    found = await store.get("a")
    assert found is not None and found.version == 1


def listed() -> list[str]:
    model = botocore.session.get_session().get_service_model("bedrock-agentcore")
    found: set[str] = set()
    for operation in OPERATIONS:
        shapes: Any = model.operation_model(operation).error_shapes
        found |= {shape.error_code for shape in shapes}
    return sorted(found)


def test_no_error_of_the_service_model_is_unmapped() -> None:
    assert len(listed()) >= 8 and set(listed()) <= set(FAULTS)


@pytest.mark.parametrize("code", [*listed(), "NeverHeardOf"])
async def test_every_fault_is_a_store_error(two: Any, code: str) -> None:
    memory, store, _ = two
    memory.fault = (500 if code.startswith("Service") else 400, code)
    for act in (store.get("a"), store.put("a", b"1"), store.delete("a")):
        with pytest.raises(StoreError) as caught:
            await act
        assert not isinstance(caught.value, StaleStateError)


async def test_another_signature_is_refused() -> None:
    with connected() as (_, client):
        client._request_signer._credentials.secret_key = "another"
        store = AgentCoreStateStore(client, MEMORY)
        with pytest.raises(StoreError, match="these credentials"):
            await store.get("a")
        await store.close()


async def test_a_memory_that_does_not_exist_says_so() -> None:
    with connected() as (_, client):
        store = AgentCoreStateStore(client, "another-0123456789")
        with pytest.raises(StoreError, match="does not exist"):
            await store.get("a")
        await store.close()
