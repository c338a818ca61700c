"""The agents' instructions: one file each, versioned by hand and named by its content.

A record names the prompt by version and hash, so that an answer can be judged against the words that led to it.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from router_core.record import dataclass

_FOLDER: Final = Path(__file__).parent / "prompts"
_HEAD: Final = "version: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What an agent's model is told before it is asked; `sha256` covers the whole file."""

    agent: str
    version: int
    text: str
    sha256: str

    @property
    def label(self) -> str:
        """As records name it, such as `router@1#0123456789ab`."""
        return f"{self.agent}@{self.version}#{self.sha256[:12]}"


@cache
def prompt(agent: str) -> Prompt:
    """The agent's instructions. Raises `ValueError` for a file without a version."""
    content = (_FOLDER / f"{agent}.md").read_text(encoding="utf-8")
    head, _, text = content.partition("\n")
    if not head.startswith(_HEAD):
        raise ValueError(f"the prompt of {agent} does not begin with its version")
    return Prompt(
        agent=agent,
        version=int(head.removeprefix(_HEAD)),
        text=text.strip(),
        sha256=sha256(content.encode()).hexdigest(),
    )
