"""The plan: which targets, whose keys, which warnings, before anything is started."""

from __future__ import annotations

import json

import pytest

from gateway.composition.plan import Plan, is_loopback, missing_tiers, plan
from gateway.composition.sandbox import NOT_STARTED
from gateway.serve_workers import share_of
from gateway.settings.loading import load
from router_core.errors import ConfigurationError

EDGE = {"name": "mec/a", "base_url": "http://10.0.0.5:8000/v1", "model": "llama-3.1-8b", "region": "DE"}
KEY = {"id": "phone", "secret": "env:PHONE", "requests_per_min": 5, "tokens_per_min": 100}
CANARY = "sk-canary-90ab"


def planned(*, sandbox: bool = False, environ: dict[str, str] | None = None, **settings: object) -> Plan:
    variables = {f"TIERWISE_{name.upper()}": json.dumps(value) for name, value in settings.items()}
    own = {**variables, **(environ or {})}
    return plan(load(None, own), own, sandbox=sandbox, access=NOT_STARTED)


def names(made: Plan) -> list[str]:
    return [target.spec.name for target in made.targets]


def test_the_sandbox_adds_only_tiers_that_are_not_configured() -> None:
    made = planned(sandbox=True, targets=[EDGE])
    assert "mec/a" in names(made)
    assert "mec/edge-sim" not in names(made)
    assert {target.spec.tier for target in made.targets} == {"device", "mec", "cloud"}


def test_every_stand_in_is_marked_and_nothing_else_is() -> None:
    made = planned(sandbox=True, targets=[EDGE])
    assert {target.spec.name: target.spec.emulated for target in made.targets} == {
        "mec/a": False,
        "device/intent-v1": False,
        "device/minilm": False,
        "cloud/nova-micro": True,
        "cloud/nova-lite": True,
        "cloud/nova-pro": True,
        "cloud/titan-embed": True,
    }


def test_without_the_sandbox_a_tier_that_is_not_configured_is_reported_and_absent() -> None:
    made = planned(targets=[EDGE])
    assert names(made) == ["mec/a"]
    assert [note for note in made.notes if note.startswith("tier ")] == [
        "tier device: no target is configured; it is never chosen",
        "tier cloud: no target is configured; it is never chosen",
    ]
    assert missing_tiers(made.settings) == ("device", "cloud")


NOVA = {"name": "cloud/nova", "kind": "bedrock", "model": "amazon.nova-lite-v1:0", "region": "eu-central-1"}


def test_a_fallback_region_is_a_target_of_its_own_that_residency_judges() -> None:
    made = planned(targets=[{**NOVA, "fallback_regions": ["eu-west-1", "us-east-1", "eu-central-1"]}])
    assert {target.spec.name: ("eu" in target.spec.groups) for target in made.targets} == {
        "cloud/nova": True,
        "cloud/nova@eu-west-1": True,
        "cloud/nova@us-east-1": False,
    }


@pytest.mark.parametrize("change", [{"endpoint_url": "http://127.0.0.1:9"}, {"kind": "openai", **EDGE}])
def test_fallback_regions_are_for_bedrock_s_own_endpoints(change: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="fallback_regions"):
        planned(targets=[{**NOVA, **change, "fallback_regions": ["eu-west-1"]}])


def test_on_loopback_a_key_is_generated_when_there_is_none() -> None:
    first, second = planned(), planned()
    assert first.printed is not None and second.printed is not None
    assert first.printed.reveal() != second.printed.reveal()
    assert [(key.settings.role, key.settings.tenant) for key in first.keys] == [("admin", "local")]


def test_a_configured_key_is_enough_outside_the_sandbox() -> None:
    made = planned(keys=[KEY], environ={"PHONE": CANARY})
    assert made.printed is None
    assert [key.settings.id for key in made.keys] == ["phone"]


def test_the_sandbox_always_prints_an_admin_key_beside_the_configured_ones() -> None:
    made = planned(sandbox=True, keys=[{**KEY, "id": "local"}], environ={"PHONE": CANARY})
    assert [key.settings.id for key in made.keys] == ["local", "local-0"]
    assert made.printed is made.keys[1].secret


def test_a_gateway_that_others_can_reach_needs_a_configured_key() -> None:
    server = {"host": "0.0.0.0"}  # noqa: S104  # never bound here
    with pytest.raises(ConfigurationError, match="configure a key first"):
        planned(server=server)
    assert planned(server=server, keys=[KEY], environ={"PHONE": CANARY}).printed is None
    assert planned(sandbox=True, server=server, keys=[KEY], environ={"PHONE": CANARY}).printed is None


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("[::1]", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("localhost.example", False)],  # noqa: S104  # not bound
)  # fmt: skip
def test_only_addresses_of_this_machine_are_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_two_keys_with_one_secret_are_refused_by_their_ids() -> None:
    with pytest.raises(ConfigurationError, match="keys phone and web have the same secret") as caught:
        planned(keys=[KEY, {**KEY, "id": "web"}], environ={"PHONE": CANARY})
    assert CANARY not in str(caught.value)


def test_a_secret_that_is_not_set_names_the_key() -> None:
    with pytest.raises(ConfigurationError, match=r"keys.phone.secret: env:PHONE is empty or not set"):
        planned(keys=[KEY])


def test_an_alias_must_lead_somewhere() -> None:
    assert planned(sandbox=True, aliases={"gpt-4o": "cloud/nova-pro"}).aliases == {"gpt-4o": "cloud/nova-pro"}
    with pytest.raises(ConfigurationError, match=r"aliases.gpt-4o names cloud/none"):
        planned(sandbox=True, aliases={"gpt-4o": "cloud/none"})


def test_a_bedrock_target_takes_the_region_of_the_environment_and_its_groups() -> None:
    nova = {"name": "cloud/n", "kind": "bedrock", "model": "amazon.nova-lite-v1:0"}
    spec = planned(targets=[nova], environ={"AWS_REGION": "eu-west-1"}).targets[0].spec
    assert (spec.region, "eu" in spec.groups) == ("eu-west-1", True)
    with pytest.raises(ConfigurationError, match="cloud/n needs a region"):
        planned(targets=[nova])


def test_limits_are_divided_among_workers_and_never_become_zero() -> None:
    made = planned(keys=[KEY, {"id": "b", "secret": "env:B"}], environ={"PHONE": CANARY, "B": "b"})
    shared = share_of(made, 3)
    assert [(k.settings.requests_per_min, k.settings.tokens_per_min) for k in shared.keys] == [
        (2, 34),
        (None, None),
    ]


def test_no_part_of_a_plan_shows_a_secret() -> None:
    targets = [{**EDGE, "api_key": "env:EDGE"}]
    made = planned(
        sandbox=True, keys=[KEY], targets=targets, environ={"PHONE": CANARY, "EDGE": f"{CANARY}-2"}
    )
    assert CANARY not in repr(made)
    assert made.printed is not None and made.printed.reveal() not in repr(made)
    assert next(t.secret for t in made.targets if t.spec.name == "mec/a").reveal() == f"{CANARY}-2"  # type: ignore[union-attr]  # given above
