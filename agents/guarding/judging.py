"""Judges what a target wrote: personal data by our own scan, everything else by guards outside.

One verdict for a piece of an answer: it goes out, goes out without some values, or does not go out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from agents.guarding.masking import redacted
from agents.guarding.outside import Asking, fires
from agents.guarding.rules import REPORTED, VERDICT, applies, moderating
from agents.guarding.verdicts import Verdicts
from router_core.context import RequestContext
from router_core.execution import Choice
from router_core.policy.document import Policy
from router_core.policy.guarding import BLOCK, MASK, OUTPUT, PII, GuardRule
from router_core.ports import GuardCall
from router_core.signals.sensitivity import scan

FILTERED: Final = "content_filter"


class Judging:
    """One answer's rules. `asked` is what it answers, for guards that judge an answer by its question."""

    def __init__(self, asking: Asking, verdicts: Verdicts, context: RequestContext, policy: Policy) -> None:
        self._asking, self._verdicts, self._context, self._policy = asking, verdicts, context, policy
        self._pii = tuple(
            rule
            for rule in policy.guard.rules
            if rule.on == PII and rule.reads_output and applies(rule, context)
        )
        self._moderating = moderating(context, policy.guard, output=True)
        self.asked = ""
        self.window_chars = policy.guard.window_chars
        self._counted: set[str] = set()
        self.now = asking.now

    @property
    def rules(self) -> tuple[GuardRule, ...]:
        """All that have a word on the answer."""
        return self._pii + self._moderating

    @property
    def scans(self) -> bool:
        """Whether personal data is looked for."""
        return bool(self._pii)

    def redacts(self, kind: str) -> bool:
        """Whether values of this kind do not go out."""
        return any(rule.action == MASK and rule.wants(kind) for rule in self._pii)

    async def passes(self, text: str) -> bool:
        """Whether the text may go out at all. Raises as `Verdicts.unjudged` does."""
        kinds = {span.kind for span in scan(text)} if self._pii else set()
        found = [rule for rule in self._pii if any(map(rule.wants, kinds))]
        for rule in () if any(rule.action == BLOCK for rule in found) else self._moderating:
            call = GuardCall(text=text, side=OUTPUT, asked=self.asked)
            verdict = await self._asking.judged(rule, call, self._context, self._policy)
            if isinstance(verdict, str):
                closed = self._policy.guard.closed(rule, self._context.request_class)
                self._verdicts.unjudged(rule.name, OUTPUT, verdict, closed=closed)
            elif fires(rule, verdict):
                found.append(rule)
        for rule in found:
            self._count(rule)
        return all(rule.action != BLOCK for rule in found)

    async def choice(self, choice: Choice, structured: Mapping[str, Any] | None) -> Choice:
        """One whole alternative: itself, with values replaced, or refused."""
        text = words_of(choice)
        if structured is not None:
            text = f"{text}\n{spelling(structured)}"
        if not await self.passes(text):
            return Choice(index=choice.index, text="", finish_reason=FILTERED)
        return self.cleaned(choice)

    def clean(self, structured: Mapping[str, Any]) -> bool:
        """Whether structured output has no value that may not go out; one that has is left out whole."""
        spelt = spelling(structured)
        return not self._pii or redacted(spelt, self.redacts) == spelt

    def cleaned(self, choice: Choice) -> Choice:
        """Without the values that may not go out; itself where it has none."""
        if not self._pii or redacted(words_of(choice), self.redacts) == words_of(choice):
            return choice
        calls = tuple(
            {
                **call,
                "function": {**call["function"], "arguments": self._clean(call["function"]["arguments"])},
            }
            for call in choice.tool_calls
        )
        return replace(
            choice,
            text=self._clean(choice.text),
            reasoning=self._clean(choice.reasoning),
            refusal=self._clean(choice.refusal),
            tool_calls=calls,
            logprobs=None,
        )

    def _clean(self, text: Any) -> Any:
        return redacted(text, self.redacts) if isinstance(text, str) else text

    def _count(self, rule: GuardRule) -> None:
        """Once for an answer, however many windows it has."""
        if rule.name not in self._counted:
            self._counted.add(rule.name)
            self._verdicts.add(rule.name, OUTPUT, VERDICT.get(rule.action, REPORTED))


def words_of(choice: Choice) -> str:
    """All text of an alternative that a caller reads, what it gives tools included."""
    calls = [call.get("function") or {} for call in choice.tool_calls]
    parts = [choice.text, choice.reasoning, choice.refusal]
    parts += [text for call in calls for text in (call.get("name"), call.get("arguments"))]
    return "\n".join([part for part in parts if part])


def spelling(structured: Mapping[str, Any]) -> str:
    """Structured output as text."""
    return json.dumps(structured, default=dict, ensure_ascii=False)
