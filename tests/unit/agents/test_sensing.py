"""Who is asked outside, and what comes of it: never where a cloud target would not be permitted, and never less privacy."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.cache import CacheAgent
from agents.resource import ResourceAgent
from agents.sensing import Sensing, SignalServices
from agents.staged.carried import Snapshots, turn_of
from agents.staged.stages import ContextStage, ResourceStage, RouterStage
from agents.steps import Reading
from router_core.errors import NoTargetError, NotTakenError, StoreError
from router_core.inference import Caller, InferenceRequest, Preferences, Privacy
from router_core.payload import to_json
from router_core.policy.document import Policy
from router_core.policy.parse import from_document
from router_core.policy.rollout import Rollout
from router_core.ports import Remarks
from router_core.resources import ResourceState, Target
from router_core.routing.decide import decide
from router_core.routing.table import compile_table
from tests.fakes import FakeClock, FakeResponses, FixedPolicy
from tests.unit.agents.house import CLOUD, DEVICE, MEC, QUICK, House, ask

PNG = "data:image/png;base64,iVBORw0KGgo="
SEEING = replace(CLOUD, groups=("eu",))


@dataclass
class FakeScan:
    """Finds what it is told to, after as long as it is told; keeps what it was shown."""

    found: tuple[str, ...] = ()
    error: Exception | None = None
    hangs: bool = False
    upset: float = 0.0
    moods: list[str | None] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    async def remarks(self, text: str, language: str, last: str | None = None) -> Remarks:
        self.seen.append(text)
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        self.moods.append(last)
        return Remarks(kinds=self.found, upset=None if last is None else self.upset)


@dataclass
class FakeReader:
    text: str = ""
    error: Exception | None = None
    seen: list[tuple[str, ...]] = field(default_factory=list)

    async def texts(self, images: tuple[str, ...]) -> tuple[str, ...]:
        self.seen.append(images)
        if self.error is not None:
            raise self.error
        return tuple(self.text for _ in images)


def services(scan: Any = None, reader: Any = None, budget_s: float = 5.0) -> SignalServices:
    return SignalServices(
        scan=scan, scan_groups=("eu",), reader=reader, reader_groups=("eu",), budget_s=budget_s
    )


SPECS = (DEVICE, replace(MEC, modalities=("text",)), SEEING)


def reading(given: SignalServices | None, clock: FakeClock | None = None) -> Reading:
    specs = {spec.name: spec for spec in SPECS}
    sensing = None if given is None else Sensing(given, specs, clock or FakeClock())
    return Reading(CacheAgent(FakeResponses()), specs, sensing)


async def test_a_name_beside_an_illness_is_restricted() -> None:
    request = ask("My neighbour Jane Doe has diabetes, what should she eat?")
    _, alone = await reading(None).read(request, QUICK)
    _, helped = await reading(services(FakeScan(("name",)))).read(request, QUICK)
    assert (alone.privacy, helped.privacy) == (1, 3)
    assert (helped.pii, helped.consulted) == (("name",), ("text",))


async def test_who_is_upset_gets_the_better_model_where_the_policy_says_so() -> None:
    request, scan = ask("This is the third time that it broke"), FakeScan(upset=0.93)
    _, unasked = await reading(services(scan)).read(request, QUICK)
    policy = from_document({"class_rules": {"upset_at": 0.9}})
    _, asked = await reading(services(scan)).read(request, policy)
    _, calm = await reading(services(FakeScan(upset=0.4))).read(request, policy)
    assert scan.moods == [None, "This is the third time that it broke"]
    assert [each.request_class for each in (unasked, asked, calm)] == ["simple", "complex", "simple"]
    assert (asked.upset, unasked.upset) == (0.93, 0.0)


async def test_nothing_found_leaves_what_we_found() -> None:
    request = ask("Send it to jane@example.com")
    _, helped = await reading(services(FakeScan(()))).read(request, QUICK)
    assert helped.pii == ("email",)


REQUESTS = st.builds(
    lambda level, residency, compliance, own, key, pinned, offline, text: ask(
        text,
        caller=Caller(tenant="acme", key_id="k", tiers=key),
        privacy=Privacy(level=level, residency=residency, compliance=compliance),
        preferences=Preferences(tiers=own, target=pinned),
        network=replace(ask().network, type="offline" if offline else None),
    ),
    st.sampled_from(["public", "internal", "confidential", "restricted"]),
    st.sampled_from([None, "eu", "us", "de"]),
    st.sampled_from([(), ("GDPR",), ("HIPAA",), ("PCI", "GDPR")]),
    st.sampled_from([("device", "mec", "cloud"), ("device", "mec"), ("cloud",)]),
    st.sampled_from([("device", "mec", "cloud"), ("device", "mec")]),
    st.sampled_from([None, None, MEC.name, SEEING.name]),
    st.booleans(),
    st.sampled_from(
        [
            "what is the capital of France",
            "Send it to jane@example.com",
            "my card is 4111 1111 1111 1111",
            "jane@example.com has diabetes and needs insulin",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
        ]
    ),
)
POLICIES = st.sampled_from(
    [
        QUICK,
        from_document({"tiers": {"cloud": {"enabled": False}}}),
        from_document({"tiers": {"cloud": {"max_privacy": "public"}}}),
        from_document({"tiers": {"cloud": {"max_privacy": "confidential"}}}),
    ]
)


@settings(max_examples=300, deadline=None)
@given(request=REQUESTS, policy=POLICIES, kinds=st.sets(st.sampled_from(["name", "iban", "medical_record"])))
def test_it_is_asked_only_where_a_cloud_target_there_would_be_permitted(
    request: InferenceRequest, policy: Policy, kinds: set[str]
) -> None:
    """And whatever is found, the level never falls."""
    scan = FakeScan(tuple(sorted(kinds)))
    _, alone = asyncio.run(reading(None).read(request, policy))
    _, helped = asyncio.run(reading(services(scan)).read(request, policy))
    target = replace(SEEING, tasks=(alone.task,), context_tokens=10**9)
    pinned = replace(target, name="cloud/there") if alone.pinned != SEEING.name else target
    state = ResourceState.of((Target(spec=pinned),))
    permitted = replace(alone, pinned=None) if alone.pinned == MEC.name and alone.fallback else alone
    try:
        decide(permitted, compile_table(state, policy), ())
        allowed = True
    except NoTargetError:
        allowed = False
    assert bool(scan.seen) == allowed
    assert helped.privacy >= alone.privacy
    assert set(helped.pii) >= set(alone.pii)
    assert helped.residency == alone.residency


@pytest.mark.parametrize(
    ("target", "fallback", "asked"),
    [(MEC.name, None, 0), (MEC.name, True, 1), (SEEING.name, None, 1), ("absent", None, 0)],
)
async def test_a_request_that_is_pinned_near_is_shown_to_nobody(
    target: str, fallback: bool | None, asked: int
) -> None:
    scan = FakeScan()
    request = ask(preferences=Preferences(target=target, fallback=fallback))
    await reading(services(scan)).read(request, QUICK)
    assert len(scan.seen) == asked


async def test_what_fails_or_hangs_changes_nothing() -> None:
    _, alone = await reading(None).read(ask(), QUICK)
    for scan in (
        FakeScan(error=StoreError("away")),
        FakeScan(error=NotTakenError("long")),
        FakeScan(hangs=True),
    ):
        served, context = await reading(services(scan, budget_s=0.02)).read(ask(), QUICK)
        assert (served, context, len(scan.seen)) == (ask(), alone, 1)


async def test_a_service_that_keeps_failing_is_left_alone_for_a_while() -> None:
    policy = from_document({"breaker": {"failures": 2, "open_ms": 1000}})
    clock, scan = FakeClock(), FakeScan(error=StoreError("away"))
    read = reading(services(scan), clock)
    for _ in range(5):
        await read.read(ask(), policy)
    assert len(scan.seen) == 2
    clock.now += 1.5
    await read.read(ask(), policy)
    assert len(scan.seen) == 3


async def test_what_is_not_taken_does_not_close_it_for_others() -> None:
    policy = from_document({"breaker": {"failures": 2}})
    scan = FakeScan(error=NotTakenError("too long"))
    read = reading(services(scan))
    for _ in range(5):
        await read.read(ask(), policy)
    assert len(scan.seen) == 5


def invoice(task: str | None = "extract", url: str = PNG, **changes: Any) -> InferenceRequest:
    parts = [{"type": "text", "text": "The total?"}, {"type": "image_url", "image_url": {"url": url}}]
    return replace(ask(**changes), messages=({"role": "user", "content": parts},), task=task)


async def test_the_text_takes_the_image_s_place() -> None:
    house, reader = House(specs=SPECS), FakeReader("Total 42 EUR")
    house.signals = services(None, reader)
    answer = await house.build().answer(invoice())
    assert reader.seen == [("iVBORw0KGgo=",)]
    sent = house.models[answer.decision.target].calls[0].messages[0]["content"]
    assert [part["type"] for part in sent] == ["text", "text"]
    assert sent[1]["text"] == "Total 42 EUR"
    assert MEC.name in answer.decision.scores


async def test_what_the_text_holds_counts() -> None:
    """A card number on the image closes the cloud, and then the names are not asked for either."""
    scan, reader = FakeScan(), FakeReader("card 4111 1111 1111 1111")
    _, context = await reading(services(scan, reader)).read(invoice(), QUICK)
    assert (context.pii, context.privacy, scan.seen) == (("credit_card",), 2, [])


@pytest.mark.parametrize(
    "request_",
    [
        invoice(task="chat"),
        invoice(task=None),
        invoice(url="data:image/webp;base64,AAAA"),
        invoice(url="https://elsewhere.example/a.png"),
        invoice(privacy=Privacy(level="confidential")),
        invoice(privacy=Privacy(residency="us")),
    ],
    ids=["chat", "undeclared", "webp", "address", "confidential", "elsewhere"],
)
async def test_other_images_stay_as_they_are(request_: InferenceRequest) -> None:
    reader = FakeReader("text")
    served, context = await reading(services(None, reader)).read(request_, QUICK)
    assert (reader.seen, served) == ([], request_)
    assert context.consulted == ()


async def test_images_stay_where_reading_them_fails() -> None:
    served, _ = await reading(services(None, FakeReader(error=StoreError("away")))).read(invoice(), QUICK)
    assert served == invoice()


async def test_the_stages_decide_and_serve_the_same() -> None:
    """The path over several machines: the messages travel with the context."""
    request, given = invoice(), services(FakeScan(("address",)), FakeReader("Total 42 EUR"))
    house = House(specs=SPECS)
    house.signals = given
    whole = await house.build().answer(request)
    clock, policies, snapshots = FakeClock(), FixedPolicy(Rollout(stable=QUICK)), Snapshots()
    payload: dict[str, Any] = {"request": to_json(request)}
    payload["context"] = await ContextStage(reading(given), policies, clock)(payload)
    payload["resources"] = await ResourceStage(ResourceAgent(SPECS, policies.rollout(), clock), clock)(
        payload
    )
    payload["decision"] = await RouterStage(snapshots, clock)(payload)
    turn = turn_of(payload, snapshots)
    assert turn.decision.target == whole.decision.target
    assert turn.decision.scores == whole.decision.scores
    assert turn.context.features()["consulted"] == ("documents", "text")
    sent = house.models[whole.decision.target].calls[0].messages
    assert [*turn.request.messages] == [*sent]
