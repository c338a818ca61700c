"""Secrets come from Secrets Manager by ARN, rotate under a running gateway, and show nowhere."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from gateway.composition.keys import KeyRotation, records
from gateway.composition.plan import PlannedKey
from gateway.http.auth import KeyRing
from gateway.http.refusals import UnauthorizedError
from gateway.settings.schema import KeySettings
from gateway.settings.secrets import parse_reference, resolve
from router_core.adapters.aws.secrets import SecretsManager
from router_core.errors import ConfigurationError, StoreError
from tests.localmoto import REGION, Clients, environment, unique

CANARY = "canary-9d2f71-value"
Store = Callable[[str], str]


@pytest.fixture
def secrets(aws: Clients) -> Any:
    return aws("secretsmanager")


@pytest.fixture
def store(secrets: Any) -> Store:
    """Puts a text into a new secret and gives its ARN."""
    return lambda text: str(secrets.create_secret(Name=unique("key"), SecretString=text)["ARN"])


@pytest.fixture
def vault(secrets: Any) -> SecretsManager:
    return SecretsManager(lambda region: secrets)


class Counting:
    """The real client, which counts what it is asked and fails while `down`."""

    def __init__(self, real: Any) -> None:
        self.real, self.asked, self.down = real, 0, False

    def get_secret_value(self, **query: Any) -> Any:
        self.asked += 1
        if self.down:
            query["SecretId"] = query["SecretId"] + "-absent"
        return self.real.get_secret_value(**query)

    def close(self) -> None:
        return None


def test_whole_secrets_and_keys_of_json_secrets(vault: SecretsManager, store: Store) -> None:
    arn = store(json.dumps({"phone": "p1", "tablet": "t1", "port": 5}))
    assert vault.value(f"{arn}#phone") == "p1"
    assert vault.value(f"{arn}#tablet") == "t1"
    assert vault.value(store("plain")) == "plain"


def test_a_secret_is_fetched_once_and_again_only_on_refresh(secrets: Any, store: Store) -> None:
    client: Any = Counting(secrets)
    vault = SecretsManager(lambda region: client)
    arn = store(json.dumps({"a": "1", "b": "2"}))
    assert [vault.value(f"{arn}#a"), vault.value(f"{arn}#b"), vault.value(f"{arn}#a")] == ["1", "2", "1"]
    assert client.asked == 1
    assert not vault.refresh()
    secrets.put_secret_value(SecretId=arn, SecretString=json.dumps({"a": "new", "b": "2"}))
    assert vault.value(f"{arn}#a") == "1"
    assert vault.refresh()
    assert vault.value(f"{arn}#a") == "new"
    client.down = True
    with pytest.raises(StoreError):
        vault.refresh()
    assert vault.value(f"{arn}#a") == "new"


def test_only_the_current_version_counts(secrets: Any, vault: SecretsManager, store: Store) -> None:
    arn = store("current")
    secrets.put_secret_value(SecretId=arn, SecretString="pending", VersionStages=["AWSPENDING"])
    assert vault.value(arn) == "current"


def test_the_client_is_made_for_the_region_of_the_arn(secrets: Any, store: Store) -> None:
    asked: list[str] = []

    def client_of(region: str) -> Any:
        asked.append(region)
        return secrets

    vault = SecretsManager(client_of)
    assert [vault.value(store("x")), vault.value(store("y"))] == ["x", "y"]
    assert asked == [REGION]


@pytest.mark.parametrize("part", ["#absent", "#port", "#", "# "])
def test_a_key_that_is_not_there_is_an_error_without_the_value(
    vault: SecretsManager, store: Store, part: str
) -> None:
    arn = store(json.dumps({"phone": CANARY, "port": 5}))
    with pytest.raises(StoreError) as caught:
        vault.value(arn + part)
    assert CANARY not in shown(caught.value)


def shown(error: BaseException) -> str:
    """Everything a traceback would print, locals excluded, and the error itself."""
    return "".join(traceback.format_exception(error)) + repr(error)


def test_a_value_shows_in_no_error_and_no_repr(secrets: Any, vault: SecretsManager, store: Store) -> None:
    broken, two_lines = store(f'{{"a": "{CANARY}'), store(f"{CANARY}\n{CANARY}")
    binary = secrets.create_secret(Name=unique("b"), SecretBinary=CANARY)["ARN"]
    absent = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:absent"
    for reference in (f"{broken}#a", binary, two_lines, absent, CANARY):
        with pytest.raises(ConfigurationError, match=r"keys\.a\.secret") as caught:
            resolve(parse_reference(f"aws-secret:{reference}", "k"), {}, "keys.a.secret", vault.value)
        assert CANARY not in shown(caught.value)
    good = resolve(parse_reference(f"aws-secret:{store(CANARY)}", "k"), {}, "keys.a.secret", vault.value)
    assert good.reveal() == CANARY
    assert CANARY not in f"{good!r} {good} {[good]} {vault!r}"


def test_settings_resolve_it_with_a_client_of_their_own_and_log_no_body(
    aws_endpoint: str, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    arn = store(CANARY)
    for name, value in environment(aws_endpoint).items():
        monkeypatch.setenv(name, value)
    caplog.set_level(logging.DEBUG)
    assert resolve(parse_reference(f"aws-secret:{arn}", "k"), {}, "keys.a.secret").reveal() == CANARY
    assert CANARY not in caplog.text


def opens(ring: KeyRing, secret: str) -> bool:
    try:
        return bool(ring.caller(f"Bearer {secret}".encode()))
    except UnauthorizedError:
        return False


def test_a_rotated_key_opens_the_gateway_and_the_old_one_ends_a_look_later(
    secrets: Any, store: Store
) -> None:
    client: Any = Counting(secrets)
    vault = SecretsManager(lambda region: client)
    arn = store(json.dumps({"phone": "p1"}))
    phone = parse_reference(f"aws-secret:{arn}#phone", "k")
    fixed = parse_reference("env:FIXED", "k")
    keys = [
        PlannedKey(
            settings=KeySettings(id="phone", secret=phone), secret=resolve(phone, {}, "k", vault.value)
        ),
        PlannedKey(
            settings=KeySettings(id="fixed", secret=fixed), secret=resolve(fixed, {"FIXED": "f"}, "k")
        ),
    ]
    ring = KeyRing(records(keys))
    rotation = KeyRotation(keys, ring, vault)
    assert rotation.needed
    assert not KeyRotation(keys[1:], ring, vault).needed

    def open_keys() -> list[str]:
        return [secret for secret in ("p1", "p2", "f") if opens(ring, secret)]

    secrets.put_secret_value(SecretId=arn, SecretString=json.dumps({"phone": "p2"}))
    assert open_keys() == ["p1", "f"]
    rotation.refresh()
    assert open_keys() == ["p1", "p2", "f"]
    rotation.refresh()
    assert open_keys() == ["p1", "p2", "f"]
    # Whatever goes wrong afterwards, the keys of the last look stay.
    client.down = True
    rotation.refresh()
    client.down = False
    for text in ("no JSON", json.dumps({"phone": ""}), json.dumps({"phone": "f"})):
        secrets.put_secret_value(SecretId=arn, SecretString=text)
        rotation.refresh()
        assert open_keys() == ["p1", "p2", "f"]
