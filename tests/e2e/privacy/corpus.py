"""Generated requests: restricted ones by word and by content, and ordinary ones as the control, in every form.

Every text carries a canary, so that whoever counts bytes at an endpoint knows what arrived there. The control shares
sessions, prefixes and names with the restricted requests, because those are ways in which one request steers another.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

RESTRICTED_CANARY = "kestrel47"
CONTROL_CANARY = "magpie19"
CLOUD = "cloud/nova"
CLOUD_EMBED = "cloud/titan"
ALIASES = {"gpt-4o": "auto", "the-big-one": CLOUD}
MODELS = ("auto", "auto:quality", "auto:cost", "auto:latency", "gpt-4o", "the-big-one", CLOUD, "mec/shaky")
OPTIMIZE = ("balanced", "latency", "cost", "quality", "privacy", "energy")

Messages = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request. `restricted` is the truth that the gateway has to find out; `declared` says whether it was told."""

    path: str
    body: dict[str, Any]
    restricted: bool
    declared: bool


def requests(count: int, seed: int) -> Iterator[Asked]:
    """`count` restricted requests, each followed by its control of the same form."""
    draw = random.Random(seed)
    for number in range(count):
        form = FORMS[number % len(FORMS)]
        state = draw.getrandbits(64)
        for restricted in (True, False):
            yield form(random.Random(state), restricted)


def _secret(draw: random.Random) -> tuple[str, str]:
    """Two texts that are restricted when one target sees both; often one alone suffices."""
    number = draw.randrange(10_000_000, 99_999_999)
    mail = f"m.huber{draw.randrange(1_000)}@example.org"
    return draw.choice(
        (
            (f"Patient MRN {number} asks for the results.", "Keep it short."),
            ("The patient was diagnosed with diabetes.", f"Write to {mail} about it."),
            (f"Write to {mail} about it.", "The patient was prescribed insulin."),
            (f"Medical record number {number}.", "Summarise the visit."),
            ("The patient has cancer and needs chemotherapy.", "Date of birth: 12.03.1961."),
            (
                "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n-----END PRIVATE KEY-----",
                "What is this?",
            ),
        )
    )


def _plain(draw: random.Random) -> tuple[str, str]:
    return draw.choice(
        (
            ("Tell me how trees grow in winter.", "Keep it short."),
            ("Turn off the kitchen lights.", "Please."),
            ("Which rivers flow through Vienna?", "Name two."),
            ("Set a timer for 5 minutes.", "Thanks."),
        )
    )


def _said(draw: random.Random, restricted: bool) -> tuple[str, str, bool]:
    """Two texts with their canary, and whether the caller declares what they are."""
    declared = restricted and draw.random() < 0.4
    texts = _secret(draw) if restricted and not declared else _plain(draw)
    canary = RESTRICTED_CANARY if restricted else CONTROL_CANARY
    return f"{canary} {texts[0]} {canary}", f"{texts[1]} {canary}", declared


def _conversation(draw: random.Random, first: str, second: str) -> Messages:
    """The two texts somewhere in a conversation."""
    user = {"role": "user", "content": f"{first} {second}"}
    parts = {"role": "user", "content": [{"type": "text", "text": first}, {"type": "text", "text": second}]}
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "look_up", "arguments": f'{{"q": "{second}"}}'},
    }
    found: tuple[Messages, ...] = (
        [user],
        [parts],
        [{"role": "system", "content": first}, {"role": "user", "content": second}],
        [
            {"role": "user", "content": first},
            {"role": "assistant", "content": "Yes."},
            {"role": "user", "content": second},
        ],
        [
            {"role": "user", "content": second},
            {"role": "assistant", "content": first},
            {"role": "user", "content": "Go on."},
        ],
        [
            {"role": "user", "content": first},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "found"},
        ],
        [
            {"role": "user", "content": second},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": first},
        ],
    )
    return draw.choice(found)


def _preferences(draw: random.Random) -> dict[str, Any]:
    """What could lead a request to the cloud."""
    wishes: dict[str, Any] = {"optimize": draw.choice(OPTIMIZE)}
    if draw.random() < 0.25:
        wishes["tiers"] = draw.choice((["cloud"], ["mec", "cloud"], ["device", "mec", "cloud"]))
    if draw.random() < 0.5:
        wishes["fallback"] = True
    return wishes


def _privacy(draw: random.Random, declared: bool) -> dict[str, Any]:
    return {"level": "restricted"} if declared else {"level": draw.choice(("public", "internal"))}


def _tierwise(draw: random.Random, declared: bool) -> dict[str, Any]:
    own = {"preferences": _preferences(draw), "privacy": _privacy(draw, declared)}
    return own | ({"session_id": f"s{draw.randrange(5)}"} if draw.random() < 0.5 else {})


def _inference(draw: random.Random, restricted: bool) -> Asked:
    first, second, declared = _said(draw, restricted)
    body: dict[str, Any] = {"messages": _conversation(draw, first, second), "stream": draw.random() < 0.5}
    body |= _tierwise(draw, declared)
    if draw.random() < 0.3:
        body["preferences"] |= {"target": CLOUD, "tiers": ["device", "mec", "cloud"]}
    if draw.random() < 0.3:
        body["params"] = {"temperature": 0}
    return Asked(path="/inference", body=body, restricted=restricted, declared=declared)


def _input(draw: random.Random, restricted: bool) -> Asked:
    """A single text, sometimes to be worked on later or by a task of its own."""
    first, second, declared = _said(draw, restricted)
    body: dict[str, Any] = {"input": f"{first} {second}", **_tierwise(draw, declared)}
    body |= draw.choice(
        ({}, {"mode": "async"}, {"task": "summarize"}, {"task": "extract"}, {"task": "classify"})
    )
    return Asked(path="/inference", body=body, restricted=restricted, declared=declared)


def _tools(draw: random.Random, restricted: bool) -> Asked:
    """The text stands in what describes a tool or a format."""
    first, second, declared = _said(draw, restricted)
    schema = {"type": "object", "properties": {"value": {"type": "string", "description": second}}}
    body: dict[str, Any] = {"model": draw.choice(MODELS), "messages": [{"role": "user", "content": "Do it."}]}
    if draw.random() < 0.5:
        function = {"name": "act", "description": first, "parameters": schema}
        body["tools"] = [{"type": "function", "function": function}]
    else:
        form = {"name": "form", "description": first, "schema": schema}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    body["tierwise"] = _tierwise(draw, declared)
    return Asked(path="/v1/chat/completions", body=body, restricted=restricted, declared=declared)


def _chat(draw: random.Random, restricted: bool) -> Asked:
    first, second, declared = _said(draw, restricted)
    body: dict[str, Any] = {
        "model": draw.choice(MODELS),
        "messages": _conversation(draw, first, second),
        "stream": draw.random() < 0.6,
        "tierwise": _tierwise(draw, declared),
    }
    if draw.random() < 0.3:
        body["temperature"] = 0
    return Asked(path="/v1/chat/completions", body=body, restricted=restricted, declared=declared)


def _completion(draw: random.Random, restricted: bool) -> Asked:
    first, second, declared = _said(draw, restricted)
    prompt = draw.choice((f"{first} {second}", [f"{first} {second}", f"{second} {first}"]))
    body = {"model": draw.choice(MODELS), "prompt": prompt, "tierwise": _tierwise(draw, declared)}
    return Asked(path="/v1/completions", body=body, restricted=restricted, declared=declared)


def _response(draw: random.Random, restricted: bool) -> Asked:
    first, second, declared = _said(draw, restricted)
    body = {
        "model": draw.choice(MODELS),
        "instructions": first,
        "input": draw.choice(
            (second, [{"role": "user", "content": [{"type": "input_text", "text": second}]}])
        ),
        "stream": draw.random() < 0.5,
        "tierwise": _tierwise(draw, declared),
    }
    return Asked(path="/v1/responses", body=body, restricted=restricted, declared=declared)


def _embedding(draw: random.Random, restricted: bool) -> Asked:
    first, second, declared = _said(draw, restricted)
    text = f"{first} {second}"
    body = {"model": draw.choice(("auto", CLOUD_EMBED)), "input": draw.choice((text, [text, second]))}
    return Asked(
        path="/v1/embeddings",
        body=body | {"tierwise": {"privacy": _privacy(draw, declared)}},
        restricted=restricted,
        declared=declared,
    )


FORMS: tuple[Callable[[random.Random, bool], Asked], ...] = (
    _inference, _chat, _inference, _chat, _input, _response, _completion, _tools, _embedding, _chat,
)  # fmt: skip
