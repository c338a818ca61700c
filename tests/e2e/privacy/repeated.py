"""The same request sent twice: what may be kept is answered from the cache, what may not is asked again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.e2e.privacy.corpus import CONTROL_CANARY, RESTRICTED_CANARY, Asked
from tests.e2e.privacy.house import Answered, House, ask_all

TEXTS = {
    "ordinary": f"{CONTROL_CANARY}: how do trees grow?",
    "declared": f"{RESTRICTED_CANARY}: how do trees grow?",
    "medical record": f"{RESTRICTED_CANARY}: patient with MRN 48213377, which results are open?",
    "private key": f"{RESTRICTED_CANARY}: -----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n-----END PRIVATE KEY-----",
    "illness and address": f"{RESTRICTED_CANARY}: the patient was diagnosed with diabetes, mail m.huber@example.org",
}
FORMS = ("inference", "inference_sse", "chat", "chat_stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """One request and its two answers."""

    text: str
    form: str
    first: Answered
    second: Answered

    @property
    def id(self) -> str:
        return f"{self.text}-{self.form}"


async def ask_twice(house: House) -> list[Repeated]:
    """Every text in every form, with a temperature that allows keeping; the second after the first has ended."""
    pairs = [(text, form) for text in TEXTS for form in FORMS]
    first = await ask_all(house, [_asked(*pair) for pair in pairs])
    second = await ask_all(house, [_asked(*pair) for pair in pairs])
    return [
        Repeated(text=text, form=form, first=one, second=two)
        for (text, form), one, two in zip(pairs, first, second, strict=True)
    ]


def _asked(text: str, form: str) -> Asked:
    messages = [{"role": "user", "content": TEXTS[text]}]
    wishes: dict[str, Any] = {"privacy": {"level": "restricted" if text == "declared" else "internal"}}
    wishes["preferences"] = {"tiers": ["mec"]}
    stream = form in ("inference_sse", "chat_stream")
    if form.startswith("inference"):
        body = {
            "messages": messages,
            "stream": stream,
            "params": {"temperature": 0, "max_tokens": 50},
            **wishes,
        }
        path = "/inference"
    else:
        body = {"model": "auto", "messages": messages, "stream": stream, "temperature": 0, "tierwise": wishes}
        path = "/v1/chat/completions"
    return Asked(path=path, body=body, restricted=text != "ordinary", declared=text == "declared")
