"""Rotation of an API key against the local Secrets Manager: four steps, each repeatable, two keys accepted in the end."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import botocore.session
import pytest

from gateway.composition.keys import KeyRotation, records
from gateway.composition.plan import PlannedKey
from gateway.hosts import rotation
from gateway.hosts.rotation import new_key, rotate
from gateway.http.auth import KeyRing
from gateway.http.refusals import UnauthorizedError
from gateway.settings.schema import KeySettings
from gateway.settings.secrets import parse_reference, resolve
from router_core.adapters.aws.secret_rotation import (
    CURRENT,
    FAULTS,
    OPERATIONS,
    PENDING,
    PREVIOUS,
    RotatingSecret,
)
from router_core.errors import ConfigurationError, StoreError
from tests.localmoto import Clients, environment, unique

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


class Rotated:
    """A secret that rotates, and its rotation function as Secrets Manager calls it."""

    def __init__(self, aws: Clients) -> None:
        self.client = aws("secretsmanager")
        self.old = new_key()
        self.arn: str = self.client.create_secret(Name=unique("key"), SecretString=self.old)["ARN"]

    def begin(self) -> str:
        """As `rotate-secret` begins: a version without a value is pending. moto, with no function to call, makes that
        version current at once; this puts things as AWS leaves them."""
        token, before = str(uuid.uuid4()), self.versions(CURRENT)[0]
        self.client.rotate_secret(
            SecretId=self.arn, ClientRequestToken=token, RotationRules={"AutomaticallyAfterDays": 30}
        )
        self.move(CURRENT, token, before)
        self.move(PENDING, None, token)
        self.move(PREVIOUS, token, None)
        assert self.versions(PENDING) == [token] and self.versions(CURRENT) == [before]
        return token

    def versions(self, stage: str) -> list[str]:
        told = self.client.describe_secret(SecretId=self.arn)["VersionIdsToStages"]
        return [version for version, stages in told.items() if stage in stages]

    def move(self, stage: str, source: str | None, to: str | None) -> None:
        ends = {"RemoveFromVersionId": source, "MoveToVersionId": to}
        self.client.update_secret_version_stage(
            SecretId=self.arn, VersionStage=stage, **{name: end for name, end in ends.items() if end}
        )

    def step(self, name: str, token: str) -> None:
        event = {"Step": name, "SecretId": self.arn, "ClientRequestToken": token}
        rotation.handle(event, None)

    def value(self, stage: str) -> str:
        return str(self.client.get_secret_value(SecretId=self.arn, VersionStage=stage)["SecretString"])


@pytest.fixture
def rotated(aws: Clients, aws_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Rotated:
    for name, value in environment(aws_endpoint).items():
        monkeypatch.setenv(name, value)
    return Rotated(aws)


def test_four_steps_give_a_new_key_beside_the_old_one(rotated: Rotated) -> None:
    token = rotated.begin()
    for step in STEPS:
        assert rotated.value(CURRENT) == rotated.old
        rotated.step(step, token)
    assert rotated.value(CURRENT) != rotated.old
    assert rotated.value(PREVIOUS) == rotated.old


def test_each_step_may_be_repeated(rotated: Rotated) -> None:
    token = rotated.begin()
    pending = ""
    for step in STEPS[:3]:
        for _ in range(3):
            rotated.step(step, token)
        pending = pending or rotated.value(PENDING)
        assert rotated.value(PENDING) == pending
    for _ in range(3):
        rotated.step("finishSecret", token)
    for step in STEPS:
        rotated.step(step, token)
    assert (rotated.value(CURRENT), rotated.value(PREVIOUS)) == (pending, rotated.old)


def test_the_next_rotation_ends_the_oldest_key(rotated: Rotated) -> None:
    seen = [rotated.old]
    for _ in range(2):
        token = rotated.begin()
        for step in STEPS:
            rotated.step(step, token)
        # moto refuses to begin while a finished version is still called pending; AWS does not.
        rotated.move(PENDING, token, None)
        seen.append(rotated.value(CURRENT))
    assert len(set(seen)) == 3
    assert (rotated.value(CURRENT), rotated.value(PREVIOUS)) == (seen[2], seen[1])


def test_a_gateway_takes_the_key_before_until_the_next_rotation(rotated: Rotated) -> None:
    """Also a gateway that was started after the rotation, and however often it looks."""
    reference = parse_reference(f"aws-secret:{rotated.arn}", "keys.phone.secret")
    settings = KeySettings(id="phone", tenant="acme", secret=reference)
    keys = [rotated.old]
    for _ in range(2):
        token = rotated.begin()
        for step in STEPS:
            rotated.step(step, token)
        rotated.move(PENDING, token, None)
        keys.append(rotated.value(CURRENT))
        planned = PlannedKey(settings=settings, secret=resolve(reference, {}, "keys.phone.secret"))
        ring = KeyRing(records([planned]))
        rotation_of_keys = KeyRotation([planned], ring)
        for _ in range(3):
            rotation_of_keys.refresh()
            assert [opens(ring, key) for key in keys[-2:]] == [True, True]
        assert not any(opens(ring, key) for key in keys[:-2])


def opens(ring: KeyRing, key: str) -> bool:
    try:
        return ring.caller(f"Bearer {key}".encode()).tenant == "acme"
    except UnauthorizedError:
        return False


@pytest.mark.parametrize("step", ["testSecret", "finishSecret"])
def test_a_step_before_the_key_is_made_changes_nothing(rotated: Rotated, step: str) -> None:
    token = rotated.begin()
    with pytest.raises(ConfigurationError):
        rotated.step(step, token)
    assert rotated.value(CURRENT) == rotated.old


def test_a_secret_that_does_not_rotate_is_left_alone(rotated: Rotated) -> None:
    with pytest.raises(ConfigurationError, match="does not rotate"):
        rotated.step("createSecret", str(uuid.uuid4()))


def test_a_secret_that_is_not_there_is_a_store_error(rotated: Rotated) -> None:
    rotated.arn = unique("missing")
    with pytest.raises(StoreError, match="does not exist"):
        rotated.step("createSecret", str(uuid.uuid4()))


class Kept:
    """Versions in memory."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def value(self, version: str, stage: str) -> str | None:
        return self.values.get(version)

    def put_pending(self, version: str, value: str) -> None:
        self.values[version] = value

    def make_current(self, version: str, instead_of: str) -> None:
        raise AssertionError("never current")


STAGES: Mapping[str, tuple[str, ...]] = {"old": (CURRENT,), "new": (PENDING,), "done": (CURRENT,), "x": ()}
GOOD = "tw-" + "a" * 43


@pytest.mark.parametrize(
    ("step", "version", "values", "said"),
    [
        ("testSecret", "new", {"new": "short"}, "no key"),
        ("testSecret", "new", {"new": GOOD, "old": GOOD}, "current one"),
        ("createSecret", "x", {}, "not pending"),
        ("createSecret", "unheard", {}, "no such version"),
        ("dropSecret", "new", {}, "no such step"),
    ],
)
def test_what_is_wrong_is_said_without_the_key(
    step: str, version: str, values: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said) as error:
        rotate(step, version, Kept(**values), STAGES)
    assert GOOD not in str(error.value)


def test_keys_are_long_and_never_the_same() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100 and all(rotation._FORM.fullmatch(key) for key in keys)


def test_every_error_that_secrets_manager_lists_is_known() -> None:
    model: Any = botocore.session.get_session().get_service_model("secretsmanager")
    listed = {shape.name for name in OPERATIONS for shape in model.operation_model(name).error_shapes}
    assert listed and listed <= set(FAULTS)
    assert RotatingSecret.__doc__
