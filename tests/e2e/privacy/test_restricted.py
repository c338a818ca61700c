"""Restricted content never reaches a cloud target, whatever is asked for, whatever fails, and whoever shares a session."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import pytest

from tests.e2e.privacy.conftest import Played
from tests.e2e.privacy.corpus import CLOUD, CLOUD_EMBED
from tests.e2e.privacy.house import Answered, House

pytestmark = [pytest.mark.server, pytest.mark.proof, pytest.mark.xdist_group("privacy")]
ENDINGS = {200, 202, 400, 422, 502, 503, 504}
CLOUDS = {CLOUD, CLOUD_EMBED}


def test_not_one_canary_of_a_restricted_request_arrives_at_the_cloud(played: Played, size: int) -> None:
    """Counted in the raw bytes at the endpoint, while the control, sent the same ways, arrives there in masses."""
    assert len(played.of(restricted=True)) == size
    restricted, control = played.arrived
    assert restricted == 0
    assert control > size


def test_no_answer_decision_fallback_or_attempt_of_a_restricted_request_names_the_cloud(
    played: Played,
) -> None:
    answered = played.of(restricted=True)
    assert {one.tier for one in answered} <= {"device", "mec", None}
    assert {"device", "mec"} <= {one.tier for one in answered}
    records = _by_exchange(played)
    for one in answered:
        assert records[one.request_id], "every request that was understood has a decision"
        for kinds in records[one.request_id]:
            _names_no_cloud(kinds)


def _names_no_cloud(kinds: dict[str, dict[str, Any]]) -> None:
    decision = kinds["decision"]
    assert decision["chosen"] not in CLOUDS
    assert CLOUDS.isdisjoint(decision.get("fallbacks", ()))
    assert set(decision["rejected"]) >= CLOUDS
    outcome = kinds.get("outcome", {"target": "", "attempts": ()})
    assert CLOUDS.isdisjoint({outcome["target"], *(attempt["target"] for attempt in outcome["attempts"])})


def _by_exchange(played: Played) -> dict[str, list[dict[str, dict[str, Any]]]]:
    """Records by the id the client was given: a body with several prompts becomes several decisions, named after it."""
    length = len(played.answered[0].request_id)
    found: dict[str, list[dict[str, dict[str, Any]]]] = defaultdict(list)
    for name, kinds in played.records.items():
        found[name[:length]].append(kinds)
    return found


def test_every_request_ends_in_an_answer_or_in_an_error_that_says_so(played: Played) -> None:
    for one in played.answered:
        assert one.status in ENDINGS, one.page[:300]
        if one.status in (400, 422):
            assert "no_permitted_target" in one.page or "no-permitted" in one.page or "rejected" in one.page
        if one.status == 200 and one.asked.body.get("stream"):
            assert _said_how_it_ended(one), one.page[-300:]


def _said_how_it_ended(one: Answered) -> bool:
    if one.asked.path == "/inference":
        return one.page.count("event: done\n") + one.page.count("event: error\n") == 1
    if one.asked.path == "/v1/responses":
        return any(
            f"event: {name}\n" in one.page for name in ("response.completed", "response.failed", "error")
        )
    return ("data: [DONE]" in one.page) != ('data: {"error"' in one.page)


def test_the_faults_were_real(played: Played) -> None:
    """Restricted requests were retried, handed from node to node in mid-answer, failed, and still often answered."""
    own = {one.request_id for one in played.of(restricted=True)}
    outcomes = [
        kinds["outcome"] for name, kinds in played.records.items() if name in own and "outcome" in kinds
    ]
    tried = Counter(len(outcome["attempts"]) for outcome in outcomes)
    assert sum(number for attempts, number in tried.items() if attempts > 1) > len(own) / 20
    assert sum(outcome["handoff"] is not None for outcome in outcomes) > len(own) / 200
    assert {"completed", "failed"} <= {outcome["status"] for outcome in outcomes}
    answered = sum(one.status == 200 for one in played.amid_faults if one.asked.restricted)
    assert answered > len(own) / 4


def test_when_every_node_is_gone_the_cloud_helps_the_control_alone(played: Played) -> None:
    helped = {one.tier for one in played.alone if not one.asked.restricted and one.status == 200}
    assert "cloud" in helped
    left = Counter(one.status for one in played.alone if one.asked.restricted and one.tier != "device")
    assert left[503] > 0
    assert left[200] == 0
    assert left[500] == 0


def test_the_endpoint_counts_what_it_is_sent(house: House, played: Played) -> None:
    """The counter that shows zero for one canary is the one that saw the other: it was neither reset nor replaced."""
    seen = house.cloud.seen(house.cloud.bedrock_url)
    assert seen["requests"] > 0
    assert played.arrived[1] <= house.arrived()[1]
