"""Opens the models that agents ask, where the settings say where those are; without a region no SDK is imported."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from agents.assembly import Router
from gateway.composition.plan import Plan
from gateway.composition.sandbox import Access
from gateway.settings.schema import DeliberationSettings
from router_core.adapters.data_files import DatedData, find_model, groups_of, load_data
from router_core.adapters.memory.ledger import MemoryLedger
from router_core.adapters.system_clock import SystemClock
from router_core.errors import ConfigurationError
from router_core.ports import Clock, EventSink, Ledger

if TYPE_CHECKING:  # what agents ask with is an extra, and loading it takes seconds
    from agents.deliberation.deliberator import Deliberator

Closers = list[Callable[[], Awaitable[None]]]
CONNECT_S: Final = 1.0
READ_S: Final = 10.0
"""As long as a question may take; a gateway that is told to end waits so long at most for a model that hangs."""
REVIEW_S: Final = 300.0
"""How often figures are looked over, where the policy wants it."""
_log: Final = logging.getLogger("tierwise.gateway")
SANDBOX_REGION: Final = "us-east-1"
_ROLES: Final = ("micro", "lite", "pro")


def region_of(made: Plan, environ: Mapping[str, str]) -> str | None:
    """The region to ask in: as configured, else AWS's own where an endpoint is given, else the sandbox's."""
    settings = made.settings.deliberation
    if settings.region is not None:
        return settings.region
    if settings.endpoint_url is not None:
        return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or SANDBOX_REGION
    return SANDBOX_REGION if made.access.secret_access_key is not None else None


def open_deliberation(
    made: Plan, environ: Mapping[str, str], ledger: Ledger | None, clock: Clock, closers: Closers
) -> Deliberator | None:
    """What thinks twice, None where no region is given. Nothing of the SDKs is imported before the first question is
    asked, on its thread, but they must be there. Without a ledger that all workers share, each may spend its share of the caps.
    Raises `ConfigurationError`."""
    region = region_of(made, environ)
    if region is None:
        return None
    if find_spec("strands") is None or find_spec("boto3") is None:
        if not _configured(made):
            return None  # the sandbox shows what is installed
        raise ConfigurationError(
            "settings: deliberation needs its packages: pip install 'tierwise[aws,deliberation]'"
        )
    from agents.deliberation.deliberator import Deliberator, Home
    from agents.deliberation.nova import NovaThinker

    settings = made.settings
    data = load_data(settings.data.models, settings.data.regions)
    thinker = NovaThinker(nova_place(settings.deliberation, region, made.access, data))
    home = Home(
        groups=groups_of(data, region),
        specs={target.spec.name: target.spec for target in made.targets},
        share=1.0 if ledger is not None else 1.0 / settings.server.workers,
    )
    deliberator = Deliberator(thinker, ledger or MemoryLedger(), clock, home)
    closers += [thinker.close, deliberator.close]
    return deliberator


def reviews(
    thinking: Deliberator | None, router: Router, events: EventSink, worker: str
) -> tuple[asyncio.Task[None], ...]:
    """The background work of the resource, cache and monitor agents: one worker's, and none where nobody can be asked. Where
    the policy wants an agent to think, its model's client is loaded before a request needs it."""
    if thinking is None:
        return ()
    if router.rollout().stable.thinks():
        thinking.warm()
    if worker != "0":
        return ()
    return (asyncio.create_task(_keep_reviewing(thinking, router, events)),)


async def _keep_reviewing(thinking: Deliberator, router: Router, events: EventSink) -> None:
    """Have figures looked over, again and again, while the policy wants any agent to."""
    from agents.deliberation.reviewing import Reviewer
    from agents.deliberation.tools import tools

    reviewer = Reviewer(thinking.asker, events, SystemClock())
    seen, names = tools(router, thinking.home.specs), tuple(sorted(thinking.home.specs))
    while True:
        await asyncio.sleep(REVIEW_S)
        try:
            await reviewer.review(router.rollout().stable, seen, names)
        except Exception:
            # A fault in here ends one look, not all that follow.
            _log.exception("a review failed")


def _configured(made: Plan) -> bool:
    settings = made.settings.deliberation
    return settings.region is not None or settings.endpoint_url is not None


def nova_place(settings: DeliberationSettings, region: str, access: Access, data: DatedData) -> Any:
    """Where Nova is, as its client takes it. Raises `ConfigurationError` for a model whose price is not known."""
    from agents.deliberation.nova import NovaModel, NovaPlace

    def model(role: str) -> NovaModel:
        name: str = getattr(settings, role)
        entry = find_model(data, name, "bedrock")
        if entry is None:
            # A spend cap over a price that nobody knows would cap nothing.
            raise ConfigurationError(f"settings: deliberation.{role} is not among the priced models")
        return NovaModel(id=name, price_in=float(entry["price_in"]), price_out=float(entry["price_out"]))

    own = settings.region is None and settings.endpoint_url is None
    return NovaPlace(
        models={role: model(role) for role in _ROLES},
        session=lambda: _session(region, access if own else None),
        config=_config,
        endpoint_url=access.bedrock_url if own else settings.endpoint_url,
        streams=settings.streams,
    )


def _session(region: str, access: Access | None) -> Any:
    """Credentials from where boto3 finds them; the sandbox's own for its stand-in."""
    given: dict[str, str] = {}
    if access is not None and access.secret_access_key is not None:
        given = {
            "aws_access_key_id": access.access_key_id,
            "aws_secret_access_key": access.secret_access_key.reveal(),
        }
    return import_module("boto3.session").Session(region_name=region, **given)


def _config() -> Any:
    return import_module("botocore.config").Config(
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
    )
