"""Webhooks: signed, tried again, and never at an address inside, however it is written or resolved."""

from __future__ import annotations

import asyncio
import hmac
import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from gateway.http.refusals import UnprocessableError
from gateway.jobs.store import JobStore
from gateway.settings.secrets import Secret
from gateway.webhooks.addresses import may_reach, networks
from gateway.webhooks.rules import Place, WebhookRules, place_of
from gateway.webhooks.sender import DeliveryError, WebhookSender, signature
from router_core.adapters.system_clock import SystemClock
from router_core.errors import ForbiddenError, UnavailableError
from router_core.jobs.tries import Tries
from tests.unit.gateway.asgi import OTHER, application, call
from tests.unit.gateway.scripted import TEXT, ScriptedRouter
from tests.unit.jobs.house import BODY, ended, plan, stop
from tests.unit.jobs.receiver import Receiver, receiving

LOOPBACK = networks(["127.0.0.0/8"])
KEY = "a-long-secret-of-the-receiver"
RULES = WebhookRules(
    secrets={("acme", "hook"): Secret(KEY, "test"), ("rival", "theirs"): Secret("x", "test")}
)
OPEN = replace(RULES, opened=LOOPBACK)
OK = b"HTTP/1.1 200 OK\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\n\r\n"

INSIDE = (
    "0.0.0.1", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.1.2.3", "127.255.255.254",
    "169.254.169.254", "169.254.170.2", "169.254.0.1", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16",
    "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::a9fe:a9fe", "100::1", "2001::1", "2001:0:7f00:1::", "2001:db8::1", "2001:10::1",
    "2002:7f00:1::", "2002:a9fe:a9fe::", "3fff::1", "fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
    "4000::1", "8000::1", "", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "1.2.3", "not-an-address",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.0.1", "172.32.0.1", "100.63.255.255", "100.128.0.1", "198.17.0.1", "2606:4700:4700::1111",
          "2001:4860:4860::8888", "2a00:1450::1")  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_not_reached(address: str) -> None:
    assert not may_reach(address)


def test_a_public_address_is_reached_and_a_network_inside_only_where_it_was_opened() -> None:
    assert all(map(may_reach, PUBLIC))
    assert may_reach("10.1.2.3", networks(["10.1.0.0/16"])) and not may_reach(
        "10.2.0.1", networks(["10.1.0.0/16"])
    )
    assert may_reach("::ffff:10.1.2.3", networks(["10.1.0.0/16"]))
    assert may_reach("fd00::1", networks(["fd00::/64"])) and not may_reach(
        "fd00:0:0:1::1", networks(["fd00::/64"])
    )


STRANGE = (
    "", " ", "https://", "https:///x", "https://a b/", " https://a.example/", "\thttps://a.example/", "https://a.example/\n", "//a.example/",
    "https:a.example", "ftp://a.example/", "file:///etc/passwd", "gopher://a.example/", "javascript:1", "data:,x", "a.example/x",
    "https://user@a.example/", "https://user:pw@a.example/", "https://a.example@127.0.0.1/", "https://a\\@127.0.0.1/", "https://a.example\\@b/",
    "https://a.example:0/", "https://a.example:99999/", "https://a.example:x/", "https://a.example/#x", "https://-a.example/", "https://a_b.example/",
    "https://[::1/", "https://[a]/", "https://%31%32%37.0.0.1/", "https://xn--.\u00e4/", "https://a.example/\u00e4", "https://a.example/\x00",
)  # fmt: skip
NUMBERS = (
    "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://0x7f.1/", "https://0/",
    "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[2002:7f00:1::]/", "https://[64:ff9b::7f00:1]/", "https://[::]/",
    "https://169.254.169.254/latest/meta-data/", "https://[fd00:ec2::254]/", "https://100.100.100.200/", "https://[fec0::1]/", "https://10.0.0.1:8080/x",
)  # fmt: skip


@pytest.mark.parametrize("url", [*STRANGE, *NUMBERS, "http://a.example/"])
def test_an_address_that_may_not_be_called_is_refused_when_it_is_given(url: str) -> None:
    with pytest.raises(UnprocessableError):
        RULES.accepted("acme", url, "hook")


def test_a_secret_is_needed_and_belongs_to_its_tenant() -> None:
    assert json.loads(RULES.accepted("acme", "https://a.example/x?y=1", "hook"))["secret_ref"] == "hook"
    for reference in (None, "theirs", "", "nothing", "env:PATH", "file:/etc/passwd"):
        with pytest.raises(UnprocessableError):
            RULES.accepted("acme", "https://a.example/", reference)


def test_an_address_is_read_in_one_way() -> None:
    assert place_of("https://A.example:8443/p/q?r=s") == Place(
        secure=True, host="a.example", port=8443, target="/p/q?r=s"
    )
    assert place_of("http://a.example") == Place(secure=False, host="a.example", port=80, target="/")


class Names:
    """A resolver that gives each answer once, the last one for ever: a name that changes between two looks."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> tuple[str, ...]:
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def at(receiver: Receiver, host: str = "hooks.example") -> Place:
    return Place(secure=False, host=host, port=receiver.port, target="/hook")


def sender(*answers: tuple[str, ...], opened: Any = LOOPBACK) -> WebhookSender:
    return WebhookSender(SystemClock(), opened, resolving=Names(*(answers or (("127.0.0.1",),))))


async def test_a_delivery_is_signed_over_its_time_and_body() -> None:
    async with receiving() as receiver:
        await sender().send(at(receiver), KEY, "req_1", b'{"a": 1}')
    ((headers, body),) = receiver.got
    assert (headers[""], body, headers["x-tierwise-delivery"]) == (
        "POST /hook HTTP/1.1",
        b'{"a": 1}',
        "req_1",
    )
    assert headers["host"] == f"hooks.example:{receiver.port}"
    seconds, digest = (part.split("=", 1)[1] for part in headers["x-tierwise-signature"].split(","))
    assert digest == hmac.new(KEY.encode(), f"{seconds}.".encode() + body, sha256).hexdigest()
    assert abs(int(seconds) - SystemClock.now_s()) < 60
    assert signature(KEY, int(seconds) + 1, body) != headers["x-tierwise-signature"]


@pytest.mark.parametrize("address", [entry for entry in INSIDE if entry])
async def test_a_name_that_leads_inside_is_not_connected_to(address: str) -> None:
    async with receiving() as receiver:
        for answers in ((address,), ("1.1.1.1", address), (address, "1.1.1.1")):
            with pytest.raises(ForbiddenError):
                await sender(answers, opened=()).send(at(receiver), KEY, "req_1", b"{}")
        assert receiver.connections == 0


async def test_a_name_is_looked_up_once_so_that_it_cannot_change_in_between() -> None:
    names = Names(("127.0.0.1",), ("127.0.0.2",), ("169.254.169.254",))
    async with receiving() as receiver:
        await WebhookSender(SystemClock(), LOOPBACK, resolving=names).send(at(receiver), KEY, "r", b"{}")
    assert (names.asked, receiver.connections) == (1, 1)


async def test_a_redirect_is_not_followed() -> None:
    async with receiving() as trap:
        away = f"HTTP/1.1 307 Elsewhere\r\nlocation: http://127.0.0.1:{trap.port}/\r\n\r\n".encode()
        async with receiving(away) as receiver:
            with pytest.raises(DeliveryError, match="307"):
                await sender().send(at(receiver), KEY, "req_1", b"{}")
        assert (len(receiver.got), trap.connections) == (1, 0)


@pytest.mark.parametrize(
    "reply",
    [b"", b"nonsense\r\n", b"HTTP/1.1\r\n", b"x" * 20_000, b"HTTP/1.1 500 Oh\r\n\r\n", b"HTTP/2 200\r\n"],
)
async def test_a_receiver_that_does_not_take_it_is_tried_again_later(reply: bytes) -> None:
    async with receiving(reply) as receiver:
        with pytest.raises(DeliveryError):
            await sender().send(at(receiver), KEY, "req_1", b"{}")


async def test_a_receiver_that_is_gone_wants_no_more() -> None:
    async with receiving(b"HTTP/1.1 410 Gone\r\n\r\n") as receiver:
        with pytest.raises(ForbiddenError):
            await sender().send(at(receiver), KEY, "req_1", b"{}")


async def test_nobody_there_is_tried_again_later() -> None:
    with pytest.raises(DeliveryError):
        await sender().send(Place(secure=False, host="a.example", port=9, target="/"), KEY, "r", b"{}")


def hooked(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {
        **BODY,
        "webhook": {"url": f"http://127.0.0.1:{receiver.port}/hook", "secret_ref": "hook"},
        **more,
    }


async def delivered(store: JobStore, receiver: Receiver, count: int) -> None:
    """Until so many came and no message is left."""
    opened = await store.opened()
    left: list[int] = []
    for _ in range(500):
        left = [d.dead + d.waiting + d.delayed + d.running for d in await opened.upkeep.depths()]
        if len(receiver.got) >= count and not any(left):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{len(receiver.got)} came, {left} are left")


async def test_the_answer_is_delivered_until_the_receiver_takes_it(store: JobStore) -> None:
    quick = Tries(most=5, first_s=0.01, longest_s=0.02)
    app = application(ScriptedRouter(), jobs=plan(store, webhooks=OPEN, webhook_tries=quick))
    async with receiving(BUSY, BUSY, OK) as receiver:
        reply = await call(app, "POST", "/inference", hooked(receiver))
        assert reply.status == 202
        found = await ended(app, reply.headers["location"])
        await delivered(store, receiver, 3)
    assert len(receiver.got) == 3
    for headers, body in receiver.got:
        told = json.loads(body)
        assert (told["request_id"], told["status"], told["output"]["text"]) == (
            found["request_id"],
            "completed",
            TEXT,
        )
        seconds = int(headers["x-tierwise-signature"].split(",")[0].removeprefix("t="))
        assert headers["x-tierwise-signature"] == signature(KEY, seconds, body)
    await stop(app)


async def test_a_failure_is_told_without_its_words(store: JobStore) -> None:
    app = application(
        ScriptedRouter(fails=UnavailableError("canary: what the target said")),
        jobs=plan(store, webhooks=OPEN),
    )
    async with receiving() as receiver:
        await call(app, "POST", "/inference", hooked(receiver))
        await delivered(store, receiver, 1)
    told = json.loads(receiver.got[0][1])
    assert (told["status"], told["problem"]["status"]) == ("failed", 502)
    assert "canary" not in receiver.got[0][1].decode()
    await stop(app)


async def test_a_restricted_answer_stays_where_it_is(store: JobStore) -> None:
    class Restricted(ScriptedRouter):
        async def answer(self, request: Any) -> Any:
            return replace(await super().answer(request), restricted=True)

    app = application(Restricted(), jobs=plan(store, webhooks=OPEN))
    async with receiving() as receiver:
        await call(app, "POST", "/inference", hooked(receiver))
        await delivered(store, receiver, 1)
    told = json.loads(receiver.got[0][1])
    assert (told["status"], told["output"]) == ("completed", None)
    await stop(app)


async def test_a_webhook_that_may_not_be_called_is_refused_at_once(store: JobStore) -> None:
    app = application(jobs=plan(store, webhooks=RULES))
    good = {"url": "https://a.example/", "secret_ref": "hook"}
    assert (await call(app, "POST", "/inference", {**BODY, "webhook": good})).status == 202
    for hook in (
        {"url": "https://a.example/"},
        {**good, "secret_ref": "theirs"},
        {**good, "url": "http://127.0.0.1/"},
    ):
        assert (await call(app, "POST", "/inference", {**BODY, "webhook": hook})).status == 422
    assert (await call(app, "POST", "/inference", {**BODY, "webhook": good}, key=OTHER)).status == 422
    app.begin_drain()
