"""Personal data replaced by placeholders before a target sees a request, and put back into what it answers.

A placeholder is `[EMAIL_1]`: brackets and capitals pass through JSON and through models unchanged. The same value has the same
placeholder throughout a request; numbers that the text uses itself are left out. A mask lives as long as its request and is
written nowhere: not to records, not to the cache, whose keys and answers hold placeholders only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from typing import Any, Final

from router_core.inference import InferenceRequest, Message
from router_core.policy.guarding import MASK, GuardRule
from router_core.record import dataclass
from router_core.signals.sensitivity import scan

LONGEST: Final = 40
"""Characters of the longest placeholder."""
_PLACEHOLDER: Final = re.compile(r"\[[A-Z][A-Z_]{1,30}_[0-9]{1,6}\]")
_BEGUN: Final = re.compile(r"\[(?:[A-Z][A-Z_]{0,31}[0-9]{0,6})?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """Values by placeholder."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)

    def restore(self, text: str) -> str:
        """The text with the values in their places."""
        if not self.values or "[" not in text:
            return text
        return _PLACEHOLDER.sub(lambda match: self.values.get(match[0], match[0]), text)

    def restore_json(self, text: str) -> str:
        """The same inside JSON: a value is spelt as a JSON string spells it."""
        if not self.values or "[" not in text:
            return text
        return _PLACEHOLDER.sub(lambda match: self._spelt(match[0]), text)

    def _spelt(self, placeholder: str) -> str:
        value = self.values.get(placeholder)
        return placeholder if value is None else json.dumps(value, ensure_ascii=False)[1:-1]


NO_MASK: Final = Mask()


def begun_at(text: str) -> int:
    """Where a placeholder may have begun that the end of the text cuts off; the text's length when none has."""
    at = text.rfind("[", max(0, len(text) - LONGEST))
    return at if at >= 0 and _BEGUN.match(text, at) else len(text)


class Masking:
    """Makes the mask of one request while it goes through its texts. `rules` are the rules that fired; those that mask say
    which kinds."""

    def __init__(self, rules: Iterable[GuardRule]) -> None:
        self._rules = tuple(rule for rule in rules if rule.action == MASK)
        self._named: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._taken: frozenset[str] = frozenset()

    def masked(self, request: InferenceRequest) -> tuple[InferenceRequest, Mask]:
        """The request as targets may see it. What its tools, its format and its names hold is masked, too."""
        self._taken = frozenset(
            _PLACEHOLDER.findall(json.dumps([request.messages, request.params.tools], default=dict))
        )
        messages = tuple(self._message(message) for message in request.messages)
        params = request.params
        changed = replace(
            params,
            tools=tuple(self._deep(tool) for tool in params.tools),
            response_format=self._deep(params.response_format),
            extra=self._deep(params.extra),
        )
        user = None if request.user is None else self._text(request.user)
        made = Mask(values={placeholder: value for value, placeholder in self._named.items()})
        return replace(request, messages=messages, params=changed, user=user), made

    def _message(self, message: Message) -> Message:
        changed = dict(message)
        content = message.get("content")
        if isinstance(content, str):
            changed["content"] = self._text(content)
        elif content:
            changed["content"] = [self._part(part) for part in content]
        if message.get("tool_calls"):
            changed["tool_calls"] = self._deep(message["tool_calls"])
        if isinstance(message.get("name"), str):
            changed["name"] = self._text(message["name"])
        return changed

    def _part(self, part: Any) -> Any:
        """Text parts; images and sounds are not text, and their data must not be touched."""
        return (
            {**part, "text": self._text(part["text"])}
            if part.get("type") == "text" and "text" in part
            else part
        )

    def _deep(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {key: self._deep(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._deep(item) for item in value)
        return value

    def _text(self, text: str) -> str:
        parts, end = [], 0
        for span in scan(text):
            if any(rule.wants(span.kind) for rule in self._rules):
                parts += [text[end : span.start], self._placeholder(span.kind, text[span.start : span.end])]
                end = span.end
        parts.append(text[end:])
        return "".join(parts)

    def _placeholder(self, kind: str, value: str) -> str:
        if value not in self._named:
            named = ""
            while not named or named in self._taken:
                self._counts[kind] = self._counts.get(kind, 0) + 1
                named = f"[{kind.upper()}_{self._counts[kind]}]"
            self._named[value] = named
        return self._named[value]


def redacted(text: str, wants: Callable[[str], bool]) -> str:
    """The text with every recognised value of the wanted kinds replaced for good: what a target wrote itself is not put back."""
    parts, end = [], 0
    for span in scan(text):
        if wants(span.kind):
            parts += [text[end : span.start], f"[{span.kind.upper()}]"]
            end = span.end
    parts.append(text[end:])
    return "".join(parts)
