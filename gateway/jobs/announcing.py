"""The webhook stage: what the caller would be told by `GET /inference/{id}` is delivered to its webhook, at least once.

Of a restricted request the receiver learns how it ended; the text stays where it is permitted, to be fetched.
"""

from __future__ import annotations

from typing import Any

import orjson

from gateway.http import answers
from gateway.http.ports import StoredAnswer
from gateway.jobs.telling import told
from gateway.webhooks.rules import WebhookRules, place_of
from gateway.webhooks.sender import WebhookSender
from router_core.errors import ForbiddenError
from router_core.jobs.records import Claim, Job, Step

_WITHHELD = ("output", "judgement")
_PROBLEM = ("type", "title", "status", "request_id")


class Announcing:
    """Handler of the webhook queue."""

    def __init__(self, rules: WebhookRules, sender: WebhookSender) -> None:
        self._rules, self._sender = rules, sender

    async def work(self, claim: Claim) -> Step:
        kept = orjson.loads(claim.job.webhook or b"{}")
        place = place_of(str(kept.get("url", "")))
        secret = self._rules.secrets.get((claim.job.tenant, str(kept.get("secret_ref", ""))))
        if place is None or secret is None:
            raise ForbiddenError("the webhook's secret is no longer in the settings")
        await self._sender.send(place, secret.reveal(), claim.job.request_id, announcement(claim.job))
        return Step(stage=claim.job.stage)

    def gave_up(self, claim: Claim, error: BaseException | None, buried: str | None) -> Step:
        return Step(stage=claim.job.stage, buried=buried or type(error).__name__)

    async def stored(self, claim: Claim, step: Step) -> None:
        return None


def announcement(job: Job) -> bytes:
    """The body."""
    found = told(job)
    if isinstance(found, StoredAnswer):
        body: dict[str, Any] = {**answers.answer(found.response), "stage": found.stage, **found.more}
        if found.response.restricted:
            body = {name: None if name in _WITHHELD else value for name, value in body.items()}
        return answers.encode(body)
    problem = found.get("problem") or {}
    # Its words are for the caller, who can fetch them: they may repeat what was asked.
    return answers.encode({**found, "problem": {name: problem.get(name) for name in _PROBLEM}})
