"""Where the policy comes from: the packaged default, a file, or Parameter Store; and how often it is looked at again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from gateway.settings.schema import PolicySettings
from router_core.adapters.policy_file import FilePolicySource
from router_core.errors import ConfigurationError, StoreError
from router_core.events import policy_refused_record
from router_core.policy.rollout import Rollout
from router_core.ports import EventSink

if TYPE_CHECKING:
    from router_core.adapters.aws.ssm_policy import SsmPolicySource
    from router_core.adapters.aws.ssm_policy_store import SsmPolicyStore

FILE_S: Final = 2.0
"""How often a policy file is looked at."""
SPREAD: Final = 0.4
"""Part of the time between two looks that is drawn, so that a fleet that started together does not ask together."""


def policy_source(settings: PolicySettings) -> FilePolicySource | SsmPolicySource:
    """The source, after its first look: it blocks. Raises `ConfigurationError`."""
    if settings.ssm is None:
        return FilePolicySource(settings.file)
    from router_core.adapters.aws.ssm_policy import SsmPolicySource

    return SsmPolicySource(policy_store(settings.ssm), settings.copy)


def rollout_now(settings: PolicySettings) -> Rollout:
    """What is in force, for a command that only looks: no copy is read or written. Raises `TierwiseError`."""
    if settings.ssm is None:
        return FilePolicySource(settings.file).rollout()
    from router_core.adapters.aws.ssm_policy import look

    return look(policy_store(settings.ssm)).rollout


def policy_store(parameter: str) -> SsmPolicyStore:
    """Parameter Store under the process's own credentials. Raises `ConfigurationError`."""
    _check_installed()
    from router_core.adapters.aws.ssm_policy_store import SsmPolicyStore

    try:
        return SsmPolicyStore.connect(parameter)
    except StoreError as error:
        raise ConfigurationError(f"policy {parameter}: {error}") from error


def check_policy(settings: PolicySettings) -> None:
    """What can be known to be wrong without asking anybody. Raises `ConfigurationError`."""
    if settings.ssm is None:
        FilePolicySource(settings.file)
    else:
        _check_installed()


async def watch_policy(
    source: FilePolicySource | SsmPolicySource,
    settings: PolicySettings,
    events: EventSink,
    uniform: Callable[[], float] = random.random,
) -> None:
    """Look again and again, on a thread, until cancelled; `refresh` raises nothing. A look that refused what it saw is
    told to `events`, because an operator elsewhere waits for the change."""
    every_s = FILE_S if settings.ssm is None else settings.poll_s
    refused = source.refused
    while True:
        await asyncio.sleep(every_s * (1.0 - SPREAD / 2 + SPREAD * uniform()))
        await asyncio.to_thread(source.refresh)
        if source.refused > refused:
            refused = source.refused
            stays = source.rollout().stable.label
            events.emit(policy_refused_record(time.time(), settings.ssm or "file", stays))


def _check_installed() -> None:
    if find_spec("boto3") is None:
        raise ConfigurationError(
            "a policy in Parameter Store needs the aws extra: pip install 'tierwise[aws]'"
        )
