"""Keys are fetched off the event loop, once for many callers, and a failed renewal does not hurt."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from router_core.adapters.models import bedrock_credentials
from router_core.adapters.models.bedrock_credentials import SessionCredentials
from router_core.adapters.models.sigv4 import AwsKeys
from router_core.errors import RefusedError, UnavailableError


class FakeSession:
    """A botocore session that gives `answers` in turn, the last one for ever; an exception is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.threads: list[int] = []

    def get_credentials(self) -> Any:
        self.threads.append(threading.get_ident())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return None if answer is None else SimpleNamespace(get_frozen_credentials=lambda: answer)


def frozen(key: str) -> Any:
    return SimpleNamespace(access_key=key, secret_key="secret", token="token")


async def settled() -> None:
    """Until background renewals are through."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)


@pytest.fixture
def stale_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bedrock_credentials, "FRESH_S", 0.0)


async def test_many_callers_share_one_fetch_in_another_thread() -> None:
    session = FakeSession(frozen("A"))
    credentials = SessionCredentials(session)
    keys = await asyncio.gather(*(credentials() for _ in range(10)))
    assert set(keys) == {AwsKeys(access_key_id="A", secret_access_key="secret", session_token="token")}
    assert len(session.threads) == 1
    assert session.threads[0] != threading.get_ident()


async def test_fresh_keys_are_not_asked_for_again_and_stay_the_same_object() -> None:
    session = FakeSession(frozen("A"))
    credentials = SessionCredentials(session)
    assert await credentials() is await credentials()
    assert len(session.threads) == 1


@pytest.mark.usefixtures("stale_at_once")
async def test_stale_keys_are_used_while_new_ones_are_fetched() -> None:
    credentials = SessionCredentials(FakeSession(frozen("A"), frozen("A"), frozen("B")))
    first = await credentials()
    assert await credentials() is first
    await settled()
    assert (
        await credentials() is first
    )  # the same keys again: the same object, so a derived signing key stays good
    await settled()
    assert (await credentials()).access_key_id == "B"
    await settled()


@pytest.mark.usefixtures("stale_at_once")
async def test_a_failed_renewal_keeps_the_old_keys() -> None:
    credentials = SessionCredentials(FakeSession(frozen("A"), OSError("no route to 169.254.169.254")))
    for _ in range(3):
        assert (await credentials()).access_key_id == "A"
        await settled()


@pytest.mark.parametrize("answer", [None, frozen("")])
async def test_no_credentials_are_a_refusal(answer: Any) -> None:
    with pytest.raises(RefusedError, match="no AWS credentials"):
        await SessionCredentials(FakeSession(answer))()


async def test_credentials_that_cannot_be_had_are_unavailable_and_tell_no_address() -> None:
    with pytest.raises(UnavailableError) as caught:
        await SessionCredentials(FakeSession(OSError("no route to 169.254.169.254")))()
    assert "169.254" not in str(caught.value)


async def test_a_caller_that_leaves_does_not_end_the_fetch_of_the_others() -> None:
    session = FakeSession(frozen("A"))
    credentials = SessionCredentials(session)
    leaving, staying = asyncio.create_task(credentials()), asyncio.create_task(credentials())
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).access_key_id == "A"


async def test_botocore_finds_keys_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "from the environment")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    keys = await SessionCredentials()()
    assert keys == AwsKeys(access_key_id="AKIDEXAMPLE", secret_access_key="from the environment")
