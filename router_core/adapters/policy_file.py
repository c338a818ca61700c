"""The policy in force from a file, or the packaged default; a changed file is taken over whole or not at all."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from router_core.errors import ConfigurationError
from router_core.policy.document import Policy
from router_core.policy.parse import MAX_BYTES, from_document, parse
from router_core.policy.rollout import Rollout

MAX_FILE_BYTES: Final = 16 * MAX_BYTES
"""A file may be indented and commented on by whitespace; the parser bounds the minified document."""
_log = logging.getLogger("tierwise.policy")


def read_policy(file: Path | None) -> Policy:
    """The policy of a file, None is the packaged default. Raises `ConfigurationError` naming file or key."""
    if file is None:
        return from_document({})
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"policy: {file} cannot be read: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise ConfigurationError(f"policy: {file} is larger than {MAX_FILE_BYTES} bytes")
    return parse(content)


@dataclass(slots=True)
class FilePolicySource:
    """`PolicySource` of one file, which has no canary. Reading it happens in `refresh`, never on a request's path."""

    file: Path | None
    refused: int = field(init=False, default=0)
    _rollout: Rollout = field(init=False)
    _stamp: tuple[int, int] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._stamp = self._stamp_of_file()
        self._rollout = Rollout(stable=read_policy(self.file))

    def rollout(self) -> Rollout:
        """The policy in force."""
        return self._rollout

    def refresh(self) -> bool:
        """Take over a changed file; True when the policy is another one now. A bad file leaves the old policy
        in force and is logged, because a running router must not stop over an edit."""
        stamp = self._stamp_of_file()
        if stamp is None or stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            fresh = read_policy(self.file)
        except ConfigurationError as error:
            self.refused += 1
            _log.error(
                "the changed policy is refused, %s stays in force: %s", self._rollout.stable.label, error
            )
            return False
        if fresh.sha256 == self._rollout.stable.sha256:
            return False
        self._rollout = Rollout(stable=fresh)
        return True

    def _stamp_of_file(self) -> tuple[int, int] | None:
        try:
            state = self.file.stat() if self.file is not None else None
        except OSError:
            return None
        return (state.st_mtime_ns, state.st_size) if state is not None else None
