"""One deployment of the real templates for all tests of this folder, and what they drive it with."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from router_core.deployment import resource_name
from tests.localaws import address, second
from tests.localaws.loopback import Reply, ask
from tests.localaws.site import Site, running_site

PATIENCE_S = 30.0
_POLL_S = 0.1


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The whole system in a local AWS: deployed as an operator deploys it, with stand-ins for the MEC node and Bedrock."""

    def say(text: str) -> None:
        sys.stderr.write(f"{text}\n")

    with running_site(say=say) as running:
        yield running


@pytest.fixture(autouse=True)
def _calm(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test that scripted faults of the stand-ins they answer as usual again."""
    yield
    if "site" in request.fixturenames:
        site: Site = request.getfixturevalue("site")
        for url in (*site.standins.mec_urls, site.standins.bedrock_url):
            site.standins.script(url, {"reset": True})


class Client:
    """A caller of the deployed API with one key."""

    def __init__(self, site: Site, key: str | None) -> None:
        self._site = site
        self._headers = {} if key is None else {"authorization": f"Bearer {key}"}

    def post(self, path: str, body: Any, **headers: str) -> Reply:
        """POST `body` as JSON."""
        return ask("POST", self._site.api_url + path, body, {**self._headers, **headers})

    def get(self, path: str) -> Reply:
        """GET."""
        return ask("GET", self._site.api_url + path, None, self._headers)

    def infer(self, text: str, **fields: Any) -> Reply:
        """POST /inference for one text."""
        return self.post("/inference", {"input": text, **fields})

    def finished(self, request_id: str) -> Reply:
        """The stored answer of an asynchronous request, once it has ended."""
        reply: Reply = until(
            lambda: self.get(f"/inference/{request_id}"),
            lambda reply: reply.status != 200 or reply.json["status"] not in ("queued", "running"),
        )
        return reply


def until(look: Callable[[], Any], enough: Callable[[Any], bool], patience_s: float = PATIENCE_S) -> Any:
    """Look again until it is enough. Raises AssertionError with the last sight of it."""
    deadline = time.monotonic() + patience_s
    while not enough(seen := look()):
        assert time.monotonic() < deadline, f"still {seen!r} after {patience_s:g} s"
        time.sleep(_POLL_S)
    return seen


def admitted(send: Callable[[], Reply]) -> Reply:
    """The answer once the environment's usage plan lets the caller through, as a polite client waits for it."""
    reply: Reply = until(send, lambda told: told.status != 429)
    return reply


@pytest.fixture(scope="session")
def phone(site: Site) -> Client:
    """A user of tenant acme."""
    return Client(site, site.keys["phone-app"].value)


@pytest.fixture(scope="session")
def stranger(site: Site) -> Client:
    """A user of another tenant."""
    return Client(site, site.keys["other-app"].value)


@pytest.fixture(scope="session")
def emulator() -> Iterator[str]:
    """The second emulator."""
    assert second.PYTHON.exists(), "make .venv-ministack/.ready installs it"
    with second.running_ministack() as url:
        yield url


@pytest.fixture(scope="session")
def expiring(site: Site, emulator: str) -> None:
    """The data stack's tables in the second emulator, with one item that has expired and one that has not.

    For the session, so that a test that waits for something else lets this minute pass, too. This emulator's templates
    leave the tables' expiry out, so it is switched on by hand with what the template says.
    """
    kinds = ("AWS::DynamoDB::GlobalTable", "AWS::KMS::Key")
    template = second.reduced(
        site.assembly / f"{resource_name('dev', 'data')}.template.json", lambda _, body: body["Type"] in kinds
    )
    second.create(emulator, "data", template)
    dynamodb = address.client("dynamodb", emulator)
    for body in template["Resources"].values():
        if "TimeToLiveSpecification" in body["Properties"]:
            dynamodb.update_time_to_live(
                TableName=body["Properties"]["TableName"],
                TimeToLiveSpecification=body["Properties"]["TimeToLiveSpecification"],
            )
    for name, expires in (("gone", time.time() - 60), ("kept", time.time() + 3_600)):
        at = {"expires": {"N": str(int(expires))}}
        decision = {"request_id": {"S": name}, "kind": {"S": "decision"}}
        dynamodb.put_item(TableName=resource_name("dev", "decisions"), Item=decision | at)
        dynamodb.put_item(TableName=resource_name("dev", "state"), Item={"key": {"S": name}} | at)
