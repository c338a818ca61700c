"""An accepted proposal in Parameter Store: a canary that climbs, in the name of who accepted it; what changed there wins."""

from __future__ import annotations

import pytest

from agents.proposals.permitted import Wish
from gateway.composition.proposing.proposals import pushing
from router_core.adapters.aws.ssm_policy import look
from router_core.errors import ConflictError, StoreError
from router_core.policy.parse import parse
from router_core.policy.rollout import parse_shift
from tests.unit.policy.fake_ssm import FakeSsm
from tests.unit.policy.parameters import POLICY, ROLLOUT, document, store_of
from tests.unit.proposals.round import Scene

WISH = (Wish(key="cache.ttl_s", value=320.0),)


def scene() -> tuple[Scene, FakeSsm]:
    """A gateway whose policy is the stable one of a Parameter Store."""
    fake = FakeSsm()
    text = document("default", proposals={"mode": "propose", "share": 0.04})
    fake.put_parameter(Name=POLICY, Value=text, Tier="Advanced")
    fake.label_parameter_version(Name=POLICY, ParameterVersion=1, Labels=["stable"])
    return Scene(policy=parse(text), push=pushing(lambda: store_of(fake))), fake


async def test_accepting_starts_a_canary_that_climbs() -> None:
    made, fake = scene()
    found = await made.desk.propose(WISH, "fewer misses", "agent-x")
    taken = await made.desk.accept(found.id, "ann", "worth a try")
    assert taken.state == "canary"
    now = look(store_of(fake)).rollout
    assert now.canary is not None and now.canary.cache.ttl_s == 320.0 and now.stable.cache.ttl_s == 300.0
    assert (now.share, now.ramp) == (0.04, True)
    change = parse_shift(fake.parameters[ROLLOUT][-1].value).change
    assert change is not None and change.by == "ann" and found.id in change.why


async def test_what_somebody_else_put_in_force_wins_and_the_proposal_waits() -> None:
    made, fake = scene()
    found = await made.desk.propose(WISH, "fewer misses", "agent-x")
    fake.put_parameter(Name=POLICY, Value=document("default", 9), Tier="Advanced")
    fake.label_parameter_version(Name=POLICY, ParameterVersion=2, Labels=["stable"])
    with pytest.raises(ConflictError):
        await made.desk.accept(found.id, "ann", "go")
    assert (await made.desk.book.get(found.id)).state == "waiting"
    assert fake.labels(POLICY) == {"stable": 2}


async def test_without_the_right_to_push_nothing_changes() -> None:
    made, fake = scene()
    found = await made.desk.propose(WISH, "fewer misses", "agent-x")
    fake.failing = "AccessDeniedException"
    with pytest.raises(StoreError):
        await made.desk.accept(found.id, "ann", "go")
    assert (await made.desk.book.get(found.id)).state == "waiting"
