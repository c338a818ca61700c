"""Alerts leave as EventBridge events: source `tierwise`, the alert's kind as detail-type, figures as detail.

Decides nothing about what deserves an alert or how often; an event that the bus refuses is an error for whoever sends.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from router_core.adapters.aws.client import COMMON_FAULTS, Faults, store_errors
from router_core.deployment import EVENT_SOURCE
from router_core.errors import StoreError
from router_core.learning.event_alerts import Alert

if TYPE_CHECKING:
    from types_boto3_events import EventBridgeClient

ENTRIES: Final = 10
"""What one PutEvents call takes."""
FAULTS: Final[Faults] = {
    **COMMON_FAULTS,
    "InternalException": (StoreError, "failed by itself"),
    "ResourceNotFoundException": (StoreError, "does not exist"),
}


class EventBridgeAlerts:
    """Sends alerts to one bus. Blocking: for a function that handles one batch at a time."""

    def __init__(self, client: EventBridgeClient, bus: str, *, env: str) -> None:
        self._client, self._bus, self._env = client, bus, env

    def send(self, alerts: Sequence[Alert]) -> None:
        """Send all. Raises `StoreError`; those before the failing ten are sent."""
        for start in range(0, len(alerts), ENTRIES):
            entries: list[Any] = [self._entry(alert) for alert in alerts[start : start + ENTRIES]]
            with store_errors("the event bus", FAULTS):
                answer = self._client.put_events(Entries=entries)
            if answer.get("FailedEntryCount"):
                codes = {str(row["ErrorCode"]) for row in answer["Entries"] if row.get("ErrorCode")}
                raise StoreError(f"the event bus refused an alert ({', '.join(sorted(codes))})")

    def _entry(self, alert: Alert) -> dict[str, Any]:
        detail = {
            "env": self._env,
            "subject": alert.subject,
            "period_start": datetime.fromtimestamp(alert.period_s, UTC).isoformat(),
            **{name: round(value, 6) for name, value in alert.figures},
        }
        return {
            "Source": EVENT_SOURCE,
            "DetailType": alert.kind,
            "EventBusName": self._bus,
            "Detail": json.dumps(detail),
        }
