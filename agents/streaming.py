"""What of a stream the client already has: enough to go on elsewhere, to answer in full, and to bill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from router_core.decision import RoutingDecision
from router_core.execution import Choice, Chunk, Output, Served, Usage
from router_core.inference import Opened
from router_core.signals.tokens import estimate_tokens


@dataclass(slots=True)
class _Partial:
    texts: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    calls: dict[int, dict[str, Any]] = field(default_factory=dict)
    logprobs: list[Any] = field(default_factory=list)
    finish_reason: str | None = None


class Accepted:
    """Collects the chunks that went to the client. One instance spans a hand-off."""

    def __init__(self) -> None:
        self._choices: dict[int, _Partial] = {}
        self._json: Mapping[str, Any] | None = None
        self._pieces = 0

    def add(self, chunk: Chunk) -> None:
        """Take one chunk of content; usage is not content."""
        partial = self._choices.setdefault(chunk.index, _Partial())
        if chunk.text:
            partial.texts.append(chunk.text)
            self._pieces += 1
        if chunk.reasoning:
            partial.reasoning.append(chunk.reasoning)
        if chunk.refusal:
            partial.refusal.append(chunk.refusal)
        for delta in chunk.tool_calls:
            _merge(partial.calls, delta)
        if chunk.logprobs:
            partial.logprobs.extend(chunk.logprobs.get("content") or ())
        if chunk.finish_reason is not None:
            partial.finish_reason = chunk.finish_reason
        if chunk.json is not None:
            self._json = chunk.json

    @property
    def text(self) -> str:
        """Text of the first choice."""
        return "".join(self._choices[0].texts) if 0 in self._choices else ""

    @property
    def empty(self) -> bool:
        """Nothing but empty deltas went out: any target may start over."""
        return not any(p.texts or p.calls or p.reasoning or p.refusal for p in self._choices.values())

    @property
    def finished(self) -> bool:
        """Every choice that began has its finish reason."""
        return bool(self._choices) and all(p.finish_reason is not None for p in self._choices.values())

    def tokens(self) -> int:
        """Estimated output tokens so far."""
        parts = (("".join(p.texts), "".join(p.reasoning), *_arguments(p)) for p in self._choices.values())
        return sum(estimate_tokens(text) for texts in parts for text in texts if text)

    def spent(self) -> int:
        """Output tokens to take off a caller's limit before another target goes on. Servers send a token or more per
        piece, so pieces never count too many: a limit must not cut an answer that had room."""
        return min(self._pieces, self.tokens())

    def output(self) -> Output:
        choices = tuple(_choice(index, partial) for index, partial in sorted(self._choices.items()))
        return Output(choices=choices, json=self._json)


def told_at_once(
    decision: RoutingDecision, served: Served, output: Output | None, cache: str
) -> list[Opened | Chunk]:
    """A whole answer as the stream it would have been."""
    events: list[Opened | Chunk] = [Opened(decision=decision, served=served, cache=cache)]
    if output is None:
        return events
    for choice in output.choices:
        calls = tuple({**call, "index": i} for i, call in enumerate(choice.tool_calls))
        content = Chunk(
            index=choice.index, text=choice.text or "", tool_calls=calls, logprobs=choice.logprobs
        )
        events.append(content if output.json is None else replace(content, json=output.json))
        events.append(Chunk(index=choice.index, finish_reason=choice.finish_reason))
    return events


def joined_usage(prompt_tokens: int, before: int, last: Usage | None, now: int) -> Usage:
    """Usage over a hand-off: the prompt once, all output. `before` and `now` are estimated output tokens up to the
    last hand-off and in all."""
    if last is None:
        return Usage(prompt_tokens=prompt_tokens, completion_tokens=now, estimated=True)
    if not before:
        return last
    if last.prompt_tokens >= prompt_tokens:
        # The last target counted prompt and accepted text together: the sum is exact, only where they meet is estimated.
        before = last.prompt_tokens - prompt_tokens
    return Usage(
        prompt_tokens=prompt_tokens, completion_tokens=before + last.completion_tokens, estimated=True
    )


def _merge(calls: dict[int, dict[str, Any]], delta: Mapping[str, Any]) -> None:
    call = calls.setdefault(
        delta.get("index", 0), {"id": None, "type": "function", "function": {"name": "", "arguments": ""}}
    )
    if delta.get("id"):
        call["id"] = delta["id"]
    function = delta.get("function") or {}
    if function.get("name"):
        call["function"]["name"] = function["name"]
    call["function"]["arguments"] += function.get("arguments") or ""


def _arguments(partial: _Partial) -> list[str]:
    return [call["function"]["arguments"] for call in partial.calls.values()]


def _choice(index: int, partial: _Partial) -> Choice:
    text = "".join(partial.texts)
    return Choice(
        index=index,
        text=text if text or not partial.calls else None,
        tool_calls=tuple(call for _, call in sorted(partial.calls.items())),
        finish_reason=partial.finish_reason or "stop",
        logprobs={"content": partial.logprobs} if partial.logprobs else None,
        refusal="".join(partial.refusal) or None,
        reasoning="".join(partial.reasoning) or None,
    )
