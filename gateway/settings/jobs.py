"""Where asynchronous requests are kept and how they are worked on: the `[jobs]` part of the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.settings.rules import bounded, matching, one_of
from gateway.settings.secrets import SecretRef
from router_core.jobs.stages import QUEUES

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,95}"
_ID: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_NETWORK: Final = r"[0-9A-Fa-f.:]{2,45}/[0-9]{1,3}"
_TOPICS: Final = r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,60}"
_PROFILE: Final = r"[A-Za-z0-9_.-]{1,64}/[A-Za-z0-9_.-]{1,64}/[A-Za-z0-9_.-]{1,64}"
_DATABASE: Final = r"(sqlite:///|postgresql://|mysql://|mariadb://)[!-~]{1,500}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSecret:
    """A secret with which webhooks of one tenant are signed; requests name it by its `id`."""

    id: str = matching("", _ID, "letters, digits and . _ -")
    tenant: str = matching("default", _ID, "letters, digits and . _ -")
    secret: SecretRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """Asynchronous requests: where they are kept, how many of each of the `queues` this process runs at once
    (0: `tierwise worker` does), how
    long a message is lent to a worker, how often and with which first pause it is tried, how long ended jobs are kept. `judges` are
    the targets that judge, best first; none named means any; `judge_rates` is the file of their calibration. Webhooks reach public addresses and
    `webhook_networks`. With `sns`, messages are carried by topics and queues of AWS; with `iam`, the server is logged in to
    by tokens of AWS's, its certificate checked by `ca_file`. `tuning_file` or `appconfig` hold what may be changed while
    it runs. `key` seals what callers wrote, `old_key` still
    opens what was sealed before a change; a SQLite file makes its own."""

    url: str = matching(
        "sqlite:///var/jobs.db", _DATABASE, "sqlite:///file, or postgresql:// or mysql://user@host/name"
    )
    password: SecretRef | None = None
    iam: bool = False
    ca_file: str | None = None
    sns: str | None = matching(
        None, _TOPICS, "arn:aws:sns:REGION:ACCOUNT:NAME, of which topics NAME-inference and so on are there"
    )
    tuning_file: str | None = None
    appconfig: str | None = matching(None, _PROFILE, "APPLICATION/ENVIRONMENT/PROFILE")
    key: SecretRef | None = None
    old_key: SecretRef | None = None
    workers: int = bounded(8, 0, 256)
    queues: tuple[str, ...] = one_of(QUEUES, QUEUES)
    judges: tuple[str, ...] = matching((), _NAME, "the name of a target")
    judge_rates: str | None = None
    webhooks: tuple[WebhookSecret, ...] = ()
    webhook_networks: tuple[str, ...] = matching((), _NETWORK, "a network such as 10.1.0.0/16")
    max_waiting: int = bounded(100_000, 1, 10_000_000)
    lent_s: float = bounded(15.0, 0.5, 3600.0)
    tries: int = bounded(5, 1, 100)
    retry_s: float = bounded(1.0, 0.01, 60.0)
    keep_days: float = bounded(7.0, 0.01, 3650.0)
