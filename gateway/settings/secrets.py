"""Secrets by reference: settings say where a secret is (a variable, a file, AWS Secrets Manager), never what it is.

A literal secret is refused without being repeated, and a resolved one is wrapped so that no repr, log line or
traceback can show it by accident.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from router_core.errors import ConfigurationError, StoreError

SCHEMES: Final = ("env", "file", "aws-secret")
MANAGED: Final = SCHEMES[2]
MAX_BYTES: Final = 8192
Vault = Callable[[str], str]
"""Gives the value behind an ARN, or behind `ARN#key`. Raises `StoreError`."""


class Secret:
    """A resolved secret. Only `reveal()` gives the value."""

    __slots__ = ("_value", "source")

    def __init__(self, value: str, source: str) -> None:
        self._value = value
        self.source = source

    def reveal(self) -> str:
        """The value, for the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.source})"

    __str__ = __repr__

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is: `env:NAME`, `file:PATH`, `aws-secret:ARN` or, for one key of a JSON secret, `aws-secret:ARN#key`."""

    scheme: str
    name: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.name}"


def parse_reference(text: str, key: str) -> SecretRef:
    """Read a reference. Raises `ConfigurationError` that names the key and never repeats the text,
    since a wrong one is most likely the secret itself."""
    scheme, colon, name = text.partition(":")
    if not colon or scheme not in SCHEMES or not name.strip():
        raise ConfigurationError(
            f"settings: {key} must be a reference (env:NAME, file:PATH or aws-secret:ARN), not the secret itself: "
            f'put the value into a variable and write {key.rpartition(".")[2]} = "env:MY_VARIABLE"'
        )
    return SecretRef(scheme, name.strip())


def resolve(reference: SecretRef, environ: Mapping[str, str], key: str, vault: Vault | None = None) -> Secret:
    """Fetch the value; `vault` spares an ARN that several keys share a second call. Raises `ConfigurationError` naming
    the key and the reference."""
    if reference.scheme == "env":
        value = environ.get(reference.name, "")
    elif reference.scheme == "file":
        value = _from_file(reference, key)
    else:
        value = _from_aws(reference, key, vault)
    value = value.strip()
    if not value:
        raise ConfigurationError(f"settings: {key}: {reference} is empty or not set")
    if len(value) > MAX_BYTES or not value.isprintable():
        raise ConfigurationError(
            f"settings: {key}: {reference} must be one line of at most {MAX_BYTES} characters"
        )
    return Secret(value, str(reference))


def _from_file(reference: SecretRef, key: str) -> str:
    try:
        with Path(reference.name).expanduser().open(encoding="utf-8") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"settings: {key}: {reference} cannot be read") from error


def _from_aws(reference: SecretRef, key: str, vault: Vault | None) -> str:
    if find_spec("boto3") is None:
        raise ConfigurationError(
            f"settings: {key}: aws-secret needs its package: pip install 'tierwise[aws]'"
        )
    from router_core.adapters.aws.secrets import SecretsManager

    # What is no ARN may be the secret itself, put behind the wrong word.
    named = str(reference) if reference.name.startswith("arn:") else MANAGED
    try:
        if vault is not None:
            return vault(reference.name)
        with closing(SecretsManager()) as own:
            return own.value(reference.name)
    except StoreError as error:
        raise ConfigurationError(f"settings: {key}: {named}: {error}") from None
