"""The desk: nothing is in force before somebody decides, one decision wins, and stored proposals are not believed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from agents.proposals.book import MOST_WAITING
from agents.proposals.permitted import Wish
from agents.proposals.proposal import MAX_EVIDENCE_CHARS, Proposal, bounded, from_value, to_value
from router_core.errors import (
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    RequestError,
    StoreError,
)
from router_core.policy.document import Policy
from tests.unit.proposals.round import REPORT, Scene, rules

WISH = (Wish(key="cache.ttl_s", value=320.0),)


async def proposed(scene: Scene, wishes: tuple[Wish, ...] = WISH) -> Proposal:
    return await scene.desk.propose(wishes, "fewer misses", "agent-x")


async def test_what_somebody_outside_proposes_waits_with_its_evidence() -> None:
    scene = Scene(policy=rules(mode="canary"))
    found = await proposed(scene)
    assert (found.state, found.by, found.verdict) == ("waiting", "agent-x", "better")
    assert [record["state"] for record in scene.events.of("proposal")] == ["waiting"]
    assert await scene.replica("two").book.get(found.id) == found, "another replica sees the same"


async def test_without_a_simulation_it_says_so() -> None:
    found = await proposed(Scene(report=StoreError("no log")))
    assert found.verdict == "not simulated" and found.evidence is None


@pytest.mark.parametrize(
    ("policy", "canary", "error"),
    [(rules(mode="off"), None, ForbiddenError), (rules(), rules(every_h=2.0), ConflictError)],
)
async def test_closed_while_off_or_while_a_canary_runs(
    policy: Policy, canary: Policy | None, error: Any
) -> None:
    with pytest.raises(error):
        await proposed(Scene(policy=policy, canary=canary))


@pytest.mark.parametrize("why", ["", "  \n", "x" * 501])
async def test_a_reason_is_needed_and_bounded(why: str) -> None:
    scene = Scene()
    with pytest.raises(RequestError):
        await scene.desk.propose(WISH, why, "x")
    assert await scene.desk.book.all() == ()


async def test_the_same_change_waits_once_and_the_list_is_bounded() -> None:
    scene = Scene(policy=rules(max_step=1.0))
    await proposed(scene)
    with pytest.raises(ConflictError):
        await proposed(scene)
    for n in range(1, MOST_WAITING):
        await proposed(scene, (Wish(key="cache.ttl_s", value=320.0 + n),))
    with pytest.raises(RateLimitedError):
        await proposed(scene, (Wish(key="cache.ttl_s", value=400.0),))
    assert len(await scene.desk.book.all()) == MOST_WAITING


async def test_of_two_decisions_one_wins() -> None:
    scene = Scene()
    found = await proposed(scene)
    other = scene.replica("two")
    results = await asyncio.gather(
        scene.desk.accept(found.id, "ann", "good"),
        other.reject(found.id, "bob", "bad"),
        other.accept(found.id, "cy", "good"),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Proposal) for result in results) == 1
    assert sum(isinstance(result, ConflictError) for result in results) == 2


async def test_accepting_pushes_a_canary_where_there_is_one() -> None:
    pushed: list[Any] = []

    async def push(one: Proposal, new: Policy, share: float, by: str) -> None:
        pushed.append((one.reason, new.cache.ttl_s, share, by))

    scene = Scene(push=push)
    found = await scene.desk.accept((await proposed(scene)).id, "ann", "worth a try")
    assert found.state == "canary" and pushed == [("worth a try", 320.0, 0.05, "ann")]


async def test_what_could_not_be_pushed_waits_again() -> None:
    async def push(one: Proposal, new: Policy, share: float, by: str) -> None:
        raise StoreError("no right to")

    scene = Scene(push=push)
    found = await proposed(scene)
    with pytest.raises(StoreError):
        await scene.desk.accept(found.id, "ann", "go")
    assert (await scene.desk.book.get(found.id)).state == "waiting"


async def test_evidence_about_another_policy_is_not_accepted() -> None:
    scene = Scene()
    found = await proposed(scene)
    scene.changed()
    with pytest.raises(ConflictError, match="not in force any more"):
        await scene.desk.accept(found.id, "ann", "go")
    assert (await scene.desk.reject(found.id, "ann", "old")).state == "rejected"


async def test_a_stored_proposal_that_was_widened_is_refused() -> None:
    scene = Scene()
    found = await proposed(scene)
    document = json.loads(json.dumps(dict(found.document)))
    document["tiers"]["cloud"]["max_privacy"] = "confidential"
    assert scene.store is not None
    wide = json.loads(to_value(found)) | {"document": document}
    await scene.store.put(f"proposal#{found.id}", json.dumps(wide).encode())
    with pytest.raises(RequestError):
        await scene.desk.accept(found.id, "ann", "go")


@pytest.mark.parametrize("junk", [b"", b"[]", b"{}", b"\xff", b'{"moved":3}', b"[" * 5000])
async def test_junk_in_the_store_breaks_nothing(junk: bytes) -> None:
    scene = Scene()
    found = await proposed(scene)
    assert scene.store is not None
    await scene.store.put(f"proposal#{found.id}", junk)
    with pytest.raises(ConfigurationError):
        from_value(junk)
    assert await scene.desk.book.all() == ()
    await scene.store.put("proposals", junk)
    assert await scene.desk.book.all() == ()
    with pytest.raises(NotFoundError):
        await scene.desk.book.get("prop_none")


def test_evidence_is_small_enough_to_be_kept() -> None:
    groups = [{"group": f"tenant {n}", "decisions": n, "more": "x" * 2000} for n in range(40)]
    kept = bounded({**REPORT, "groups": groups})
    assert len(json.dumps(kept)) <= MAX_EVIDENCE_CHARS + 100
    assert kept["groups"][0]["group"] == "tenant 39" and kept["groups_left_out"] == 40 - len(kept["groups"])
    assert kept["verdict"] == "better"


async def test_figures_flag_what_changed_and_only_over_enough() -> None:
    scene = Scene()
    scene.traffic(100, latency_ms=100.0, cost_usd=0.001)
    scene.clock.now += 4 * 3600.0
    scene.traffic(100, latency_ms=300.0, cost_usd=0.001)
    scene.traffic(20, status="failed")
    scene.traffic(5, target="mec/a", status="failed")
    told = scene.lately.shown()
    assert told["flags"] == ["cloud/pro: errors", "cloud/pro: cost", "cloud/pro: latency"]
    assert told["targets"]["mec/a"]["recent"]["requests"] == 5
    assert len(scene.events.records) == 225, "everything is passed on"
