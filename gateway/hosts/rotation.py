"""Gives an API key a new value when Secrets Manager asks: the four steps of a rotation, each safe to repeat.

Decides how long an old key lives: gateways accept the current and the previous value, so clients have until the next
rotation to change over. Nothing has to be set elsewhere, because gateways read the secret by themselves.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from router_core.errors import ConfigurationError

KEY_BYTES: Final = 32
_FORM: Final = re.compile(r"tw-[A-Za-z0-9_-]{43}")
_CURRENT: Final = "AWSCURRENT"
_PENDING: Final = "AWSPENDING"


class Versions(Protocol):
    """The versions of one secret; see `RotatingSecret`, which also reads their stages."""

    def value(self, version: str, stage: str) -> str | None: ...

    def put_pending(self, version: str, value: str) -> None: ...

    def make_current(self, version: str, instead_of: str) -> None: ...


def new_key() -> str:
    """A key that can't be guessed: 256 bits of the system's randomness."""
    return f"tw-{secrets.token_urlsafe(KEY_BYTES)}"


def rotate(
    step: str,
    version: str,
    secret: Versions,
    stages: Mapping[str, tuple[str, ...]],
    make: Callable[[], str] = new_key,
) -> None:
    """Take one step for `version`; `stages` are those of every version now. Raises `ConfigurationError` for a
    step out of turn, `StoreError` for trouble of the store; Secrets Manager then tries again."""
    if version not in stages:
        raise ConfigurationError("rotation: the secret does not rotate, or has no such version")
    if _CURRENT in stages[version]:
        return  # all done before: a repeated step
    if _PENDING not in stages[version]:
        raise ConfigurationError("rotation: the version is not pending")
    taken = _STEPS.get(step)
    if taken is None:
        raise ConfigurationError("rotation: no such step")
    taken(version, secret, stages, make)


def _create(version: str, secret: Versions, stages: object, make: Callable[[], str]) -> None:
    if secret.value(version, _PENDING) is None:
        secret.put_pending(version, make())


def _set(version: str, secret: Versions, stages: object, make: object) -> None:
    """There is no service behind the key that would have to be told."""


def _test(version: str, secret: Versions, stages: Mapping[str, tuple[str, ...]], make: object) -> None:
    pending = secret.value(version, _PENDING)
    if pending is None or not _FORM.fullmatch(pending):
        raise ConfigurationError("rotation: the pending value is no key")
    if pending == secret.value(_current(stages), _CURRENT):
        raise ConfigurationError("rotation: the pending key is the current one")


def _finish(version: str, secret: Versions, stages: Mapping[str, tuple[str, ...]], make: object) -> None:
    _test(version, secret, stages, make)  # a step may come out of turn, and nobody could use an empty key
    secret.make_current(version, _current(stages))


def _current(stages: Mapping[str, tuple[str, ...]]) -> str:
    for version, names in stages.items():
        if _CURRENT in names:
            return version
    raise ConfigurationError("rotation: the secret has no current version")


_STEPS: Final[Mapping[str, Callable[..., None]]] = {
    "createSecret": _create,
    "setSecret": _set,
    "testSecret": _test,
    "finishSecret": _finish,
}


def handle(event: Mapping[str, Any], context: Any) -> None:
    """Lambda's entry for the stage "rotation": `Step`, `SecretId` and `ClientRequestToken` in, nothing out."""
    from router_core.adapters.aws.client import aws_client
    from router_core.adapters.aws.secret_rotation import RotatingSecret

    secret = RotatingSecret(aws_client("secretsmanager"), event["SecretId"])
    rotate(event["Step"], event["ClientRequestToken"], secret, secret.stages())
