"""Delivers EventBridge events to the kinds of target that moto leaves out: functions, state machines, topics, streams."""

from __future__ import annotations

import copy
import json
import logging
import threading
import time
from typing import Any, Final

from moto.events.models import Rule

from tests.localaws.invocation import send
from tests.localaws.replacing import replace

OURS: Final = ("lambda", "states", "sns", "kinesis")
_LOG: Final = logging.getLogger(__name__)


def body_for(target: dict[str, Any], event: dict[str, Any]) -> Any:
    """What this target receives: the event, a part of it, a constant, or a text made from it."""
    if "Input" in target:
        return json.loads(target["Input"])
    if path := target.get("InputPath"):
        return _at(event, path)
    if transformer := target.get("InputTransformer"):
        return transformed(transformer, event)
    return event


def _at(event: Any, path: str) -> Any:
    for part in path.removeprefix("$").strip(".").split("."):
        event = event[part] if part else event
    return event


def transformed(transformer: dict[str, Any], event: dict[str, Any]) -> Any:
    """The template with its placeholders filled: JSON, or where every line is a quoted text, those lines as text."""
    text: str = transformer["InputTemplate"]
    for name, path in transformer.get("InputPathsMap", {}).items():
        value = _at(event, path)
        text = text.replace(f"<{name}>", value if isinstance(value, str) else json.dumps(value))
    lines = text.strip().split("\n")
    if all(len(line) > 1 and line[0] == line[-1] == '"' for line in lines):
        return "\n".join(line[1:-1] for line in lines)
    return json.loads(text)


def _with_written_time(event: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(event.get("time"), (int, float)):
        return event
    return {**event, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(event["time"]))}


def _deliver(target: dict[str, Any], event: dict[str, Any]) -> None:
    try:
        send(target["Arn"], body_for(target, event))
    except Exception:
        _LOG.exception("an event did not reach %s", target["Arn"])


def install() -> None:
    """Split each rule's targets: moto serves those it knows, we the others."""
    moto_sends = Rule.send_to_targets

    def send_to_targets(rule: Rule, event: Any, transform_input: bool = True) -> None:
        if rule.state != "ENABLED" or not rule.event_pattern.matches_event(event):
            return
        ours = [target for target in rule.targets if target["Arn"].split(":")[2] in OURS]
        theirs = copy.copy(rule)
        theirs.targets = [target for target in rule.targets if target not in ours]
        moto_sends(theirs, event, transform_input)
        for target in ours:
            written = _with_written_time(dict(event))
            threading.Thread(target=_deliver, args=(target, written), daemon=True).start()

    replace(Rule, "send_to_targets", send_to_targets)
