"""Requests that end before any tier is asked, and paths beside `/inference`: gateway and function must agree on them."""

from __future__ import annotations

from typing import Any, Final

from tests.parity.cases import IMAGE, KEY, MAX_BODY, NEAR, Case

HELLO: Final[dict[str, Any]] = {"input": "hello"}


def bad_cases() -> list[Case]:
    """By name, what is wrong with each."""
    bodies: dict[str, Any] = {
        "no-json": b"{",
        "empty": b"",
        "null": b"null",
        "list": b"[]",
        "not-utf8": b'{"input": "\xff"}',
        "twice": b'{"input": "a", "input": "b"}',
        "neither": {},
        "both": {"input": "a", "messages": [{"role": "user", "content": "b"}]},
        "unknown": {**HELLO, "temperature": 1},
        "host": {**HELLO, "base_url": "http://169.254.169.254"},
        "deep": b'{"metadata": ' + b'{"a": ' * 90 + b"1" + b"}" * 91,
        "role": {"messages": [{"role": "king", "content": "x"}]},
        "no-content": {"messages": [{"role": "user"}]},
        "remote-image": {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/y.png"}}]}
            ]
        },
        "task": {**HELLO, "task": "sing"},
        "latency": {**HELLO, "preferences": {"max_latency_ms": 0}},
        "quality": {**HELLO, "preferences": {"min_quality": 2}},
        "tier": {**HELLO, "preferences": {"tiers": ["moon"]}},
        "class": {**HELLO, "device": {"class": "toaster"}},
        "level": {**HELLO, "privacy": {"level": "secret"}},
        "lat": {**HELLO, "location": {"lat": 91, "lon": 0}},
        "metadata": {**HELLO, "metadata": {str(i): "x" for i in range(20)}},
        "webhook-sync": {**HELLO, "webhook": {"url": "https://example.org"}},
        "webhook": {**HELLO, "mode": "async", "webhook": {"url": "https://example.org"}},
        "stream-async": {**HELLO, "mode": "async", "stream": True},
        "embed-async": {**HELLO, "mode": "async", "task": "embed"},
        "embed-image": {
            "task": "embed",
            "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": IMAGE}}]}],
        },
        "large": {"input": "x" * (MAX_BODY + 1)},
    }
    return [Case(name=f"bad-{name}", body=body) for name, body in bodies.items()] + _others()


def _others() -> list[Case]:
    return [
        Case(name="no-key", body=HELLO, key=None),
        Case(name="wrong-key", body=HELLO, key="who"),
        Case(name="near-key-asks-cloud", body={**HELLO, "preferences": {"tiers": ["cloud"]}}, key=NEAR),
        Case(name="not-bearer", body=HELLO, key=None, headers={"authorization": f"Basic {KEY}"}),
        Case(name="text-type", body=HELLO, headers={"content-type": "text/plain"}),
        Case(name="latin-type", body=HELLO, headers={"content-type": "application/json; charset=latin-1"}),
        Case(name="idempotency-key", body=HELLO, headers={"idempotency-key": "x" * 300}),
        Case(name="get-inference", method="GET"),
        Case(name="delete-explain", method="DELETE", path="/explain"),
        Case(name="nowhere", path="/nowhere", body=HELLO),
        Case(name="below", path="/inference/x/y/z", method="GET"),
        Case(name="unknown-id", path="/inference/req_0000", method="GET"),
        Case(name="feedback-unknown", path="/inference/req_0000/feedback", body={"score": 1}),
        Case(name="feedback-wrong", path="/inference/req_0000/feedback", body={"score": 3}),
        Case(name="outcome-unknown", path="/inference/req_0000/outcome", body={"status": "completed"}),
        Case(name="chat", path="/v1/chat/completions", body=_chat("mec/a")),
        Case(name="chat-no-model", path="/v1/chat/completions", body=_chat("gpt-nothing")),
        Case(name="chat-bad", path="/v1/chat/completions", body={"model": "auto"}),
        Case(name="completion", path="/v1/completions", body={"model": "mec/a", "prompt": "hello"}),
        Case(name="embeddings", path="/v1/embeddings", body={"model": "mec/embed", "input": ["a", "bb"]}),
        Case(name="one-model", path="/v1/models/mec/a", method="GET"),
        Case(name="no-such-model", path="/v1/models/mec/zz", method="GET"),
    ]


def _chat(model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hello"}]}
