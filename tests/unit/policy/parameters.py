"""A Parameter Store in memory with policies in it."""

from __future__ import annotations

import json
from typing import Any

from router_core.adapters.aws.ssm_policy_store import SsmPolicyStore
from tests.unit.policy.fake_ssm import FakeSsm

POLICY, ROLLOUT = "/tierwise/dev/policy", "/tierwise/dev/rollout"


def document(name: str, version: int = 1, **sections: Any) -> str:
    return json.dumps({"name": name, "version": version, **sections}, separators=(",", ":"))


def store_of(fake: FakeSsm) -> SsmPolicyStore:
    client: Any = fake
    return SsmPolicyStore(client, POLICY)


def filled(
    *names: str, stable: int | None = None, canary: int | None = None, share: float | None = None
) -> FakeSsm:
    """Versions 1, 2, ... called by these names, labelled by their numbers."""
    fake = FakeSsm()
    for name in names:
        fake.put_parameter(Name=POLICY, Value=document(name), Tier="Advanced")
    for label, version in (("stable", stable), ("canary", canary)):
        if version is not None:
            fake.label_parameter_version(Name=POLICY, ParameterVersion=version, Labels=[label])
    if share is not None:
        fake.put_parameter(Name=ROLLOUT, Value=json.dumps({"share": share}))
    fake.calls.clear()
    return fake
