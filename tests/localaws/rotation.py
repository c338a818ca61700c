"""Rotates secrets by their function: the four steps in order, in the background, ending where a step fails.

moto forgets the function when it is not named again, ignores a failing step, and leaves an empty version behind when a
schedule is set without rotating.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from typing import Any, Final

from moto.awslambda.models import lambda_backends
from moto.secretsmanager.models import SecretsManagerBackend

from tests.localaws.invocation import call
from tests.localaws.replacing import replace

STEPS: Final = ("createSecret", "setSecret", "testSecret", "finishSecret")
_LOG: Final = logging.getLogger(__name__)


def rotate(
    backend: SecretsManagerBackend,
    secret_id: str,
    client_request_token: str | None = None,
    rotation_lambda_arn: str | None = None,
    rotation_rules: dict[str, Any] | None = None,
    rotate_immediately: bool = True,
) -> str:
    """What moto's service calls for RotateSecret."""
    secret: Any = backend.secrets[secret_id]
    secret.rotation_requested = secret.rotation_enabled = True
    secret.rotation_lambda_arn = rotation_lambda_arn or secret.rotation_lambda_arn
    if days := (rotation_rules or {}).get("AutomaticallyAfterDays"):
        secret.auto_rotate_after_days = int(days)
        secret.next_rotation_date = int(time.time()) + int(days) * 86_400
    if rotate_immediately:
        token = client_request_token or str(uuid.uuid4())
        secret.versions[token] = {
            "createdate": int(time.time()),
            "version_id": token,
            "version_stages": ["AWSPENDING"],
        }
        threading.Thread(target=_run, args=(backend, secret, token), daemon=True).start()
    return str(secret.to_short_dict())


def _run(backend: SecretsManagerBackend, secret: Any, token: str) -> None:
    functions = lambda_backends[backend.account_id][backend.region_name]
    function = functions.get_function(secret.rotation_lambda_arn)
    for step in STEPS:
        event = {"Step": step, "SecretId": secret.arn, "ClientRequestToken": token, "RotationToken": token}
        result = call(function, event)
        if result.failed:
            _LOG.warning("rotation stopped at %s: %s", step, json.loads(result.payload)["errorMessage"])
            return
    if "AWSCURRENT" in secret.versions[token]["version_stages"]:
        secret.set_default_version_id(token)
        secret.last_rotation_date = int(time.time())


def install() -> None:
    """From now on moto's secrets rotate this way."""
    replace(SecretsManagerBackend, "rotate_secret", rotate)
