"""What an operator writes before the first request: targets, keys and their secrets, by the ways that operators have.

The stand-ins serve as MEC node and as Bedrock; the deployed code knows nothing of them but these settings.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any, Final

from gateway.composition.sandbox import Access, sandbox_targets
from gateway.sandbox.processes import StandIns
from gateway.settings.schema import TargetSettings
from router_core.deployment import settings_prefix
from tests.localaws import address

ENV: Final = "dev"
_WRITTEN: Final = (
    "name", "kind", "model", "base_url", "endpoint_url", "region", "context_tokens", "lat", "lon", "tasks",
    "emulated",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A bearer key of the deployment, and the secret that holds it."""

    id: str
    tenant: str
    role: str
    value: str
    secret_arn: str


def put_setting(url: str, name: str, value: Any) -> None:
    """Write one setting as JSON."""
    parameter = f"{settings_prefix(ENV)}/{name}"
    address.client("ssm", url).put_parameter(
        Name=parameter, Value=json.dumps(value), Type="String", Tier="Advanced", Overwrite=True
    )


def write_targets(url: str, standins: StandIns) -> None:
    """The device model of the asset, the MEC stand-in, and the models of the Bedrock stand-in."""
    mec_key = _secret(url, "mec", standins.mec_api_key)
    access = Access(mec_url=standins.mec_urls[0], bedrock_url=standins.bedrock_url)
    targets = [_written(target) for target in sandbox_targets(("device", "mec", "cloud"), access)]
    for target in targets:
        if target["kind"] == "openai":
            target["api_key"] = f"aws-secret:{mec_key}"
    put_setting(url, "targets", targets)


def write_jobs(url: str, database: str) -> None:
    """Where jobs are kept: a database that runs here in place of RDS, which nothing here imitates."""
    for name, value in (("url", database), ("iam", "false")):
        parameter = f"{settings_prefix(ENV)}/jobs/{name}"
        address.client("ssm", url).put_parameter(Name=parameter, Value=value, Type="String", Overwrite=True)


def _written(target: TargetSettings) -> dict[str, Any]:
    given = {name: getattr(target, name) for name in _WRITTEN}
    return {name: value for name, value in given.items() if value not in (None, (), False)}


def write_keys(url: str, wanted: dict[str, tuple[str, str]]) -> dict[str, Key]:
    """One key per name in `wanted`, which maps it to tenant and role; each in a secret of its own."""
    keys = {}
    for name, (tenant, role) in wanted.items():
        value = f"tw-{secrets.token_urlsafe(32)}"
        arn = _secret(url, f"keys/{name}", value)
        keys[name] = Key(id=name, tenant=tenant, role=role, value=value, secret_arn=arn)
    put_setting(
        url,
        "keys",
        [
            {"id": key.id, "tenant": key.tenant, "role": key.role, "secret": f"aws-secret:{key.secret_arn}"}
            for key in keys.values()
        ],
    )
    return keys


def _secret(url: str, name: str, value: str) -> str:
    """Set a secret, which the templates may have made already with a value that nobody knows."""
    client = address.client("secretsmanager", url)
    name = f"tierwise/{ENV}/{name}"
    try:
        return str(client.create_secret(Name=name, SecretString=value)["ARN"])
    except client.exceptions.ResourceExistsException:
        return str(client.put_secret_value(SecretId=name, SecretString=value)["ARN"])
