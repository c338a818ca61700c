"""A safety model in the manner of Llama Guard, behind any OpenAI-compatible server: `safe`, or `unsafe` and its categories.

The server's chat template holds the model's instructions; what is to be judged travels as turns of a conversation, so it
cannot rewrite them.
"""

from __future__ import annotations

import re
from typing import Final

from router_core.errors import UnavailableError
from router_core.inference import Params
from router_core.ports import GuardCall, GuardVerdict, Model, ModelCall

_CATEGORY: Final = re.compile(r"S[0-9]{1,2}")
_PARAMS: Final = Params(max_tokens=48, temperature=0.0)


class LlamaGuard:
    """`ContentGuard` by what `model` says; the model's own errors are its errors."""

    def __init__(self, model: Model, *, name: str, timeout_s: float) -> None:
        self._model, self._name, self._timeout_s = model, name, timeout_s

    async def judge(self, call: GuardCall) -> GuardVerdict:
        """A caller's text as a user's turn, a target's as the assistant's answer to it. Raises `TargetError`s."""
        turns = [{"role": "user", "content": call.text}]
        if call.side == "output":
            turns = [
                {"role": "user", "content": call.asked or "-"},
                {"role": "assistant", "content": call.text},
            ]
        answer = await self._model.generate(
            ModelCall(
                request_id="guard",
                model=self._name,
                messages=tuple(turns),
                params=_PARAMS,
                task="classify",
                timeout_s=self._timeout_s,
            )
        )
        return read_verdict(answer.choices[0].text or "" if answer.choices else "")


def read_verdict(said: str) -> GuardVerdict:
    """`safe`, or `unsafe` with categories such as S1 on the next line. Raises `UnavailableError` for anything else."""
    words = said.strip().split(None, 1)
    verdict = words[0].strip(".,:").lower() if words else ""
    if verdict == "safe":
        return GuardVerdict()
    if verdict != "unsafe":
        raise UnavailableError("the safety model gave no verdict")
    categories = _CATEGORY.findall(words[1]) if len(words) > 1 else []
    return GuardVerdict(flagged=True, categories=dict.fromkeys(categories, 1.0))
