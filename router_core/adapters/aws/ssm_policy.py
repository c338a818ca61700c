"""The policies in force from Parameter Store: taken over whole when they change, refused whole when anything is wrong.

The rule: where a version has the label `stable`, that one is in force and a newer version is only a draft; while no
version has it, the newest is in force. The canary is the version with the label `canary`, for the share of the sessions
that the rollout document says. So an operator either edits the one parameter in the console, or moves labels.

Refused are a document that is not a valid policy, a share without a canary, and a label `stable` that vanished from
under a running process; and an unreachable Parameter Store is treated alike. The last good policies then stay.

At start there is no last good one in memory, so it is kept in a file. With neither the process does not start: the
packaged default may permit what this environment's policy forbids, such as confidential text in the cloud, and whoever
already runs goes on with what it has.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any, Final

from router_core.adapters.aws.ssm_policy_store import SsmPolicyStore, Stored
from router_core.deployment import CANARY, STABLE
from router_core.errors import ConfigurationError, TierwiseError
from router_core.policy.document import Policy
from router_core.policy.parse import from_document, parse, to_document
from router_core.policy.rollout import Rollout, Shift, parse_shift, rollout
from router_core.record import dataclass

MAX_COPY_BYTES: Final = 65_536
SAID: Final = 300
"""Characters of a reason that are logged; key names in it come from whoever wrote the document."""
_log: Final = logging.getLogger("tierwise.policy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one look found: the policies in force, and whether a label (not the newest version) says so."""

    rollout: Rollout
    labelled: bool


def look(store: SsmPolicyStore, *, labelled: bool = False) -> Found:
    """What is in force now; `labelled` says that the label `stable` was there before. Raises `StoreError` where it
    cannot be read and `ConfigurationError` where it cannot be used."""
    stable = store.document(STABLE)
    if stable is None and labelled:
        raise ConfigurationError(f"policy: no version of {store.policy} has the label {STABLE} any more")
    beside = store.shift()
    shift = parse_shift(beside.text) if beside is not None else Shift()
    share = shift.share
    canary = store.document(CANARY) if share > 0.0 else None
    if share > 0.0 and (canary is None or stable is None):
        missing = STABLE if stable is None else CANARY
        raise ConfigurationError(f"policy: {store.rollout} gives a share, but no version has label {missing}")
    newest = stable or store.document()
    if newest is None:
        raise ConfigurationError(f"policy: there is no parameter {store.policy}")
    tried = _policy(canary) if canary is not None else None
    return Found(rollout=rollout(_policy(newest), tried, share, shift.ramp), labelled=stable is not None)


def _policy(stored: Stored) -> Policy:
    try:
        return parse(stored.text)
    except ConfigurationError as error:
        raise ConfigurationError(f"version {stored.version}: {error}") from error


class SsmPolicySource:
    """`PolicySource` of Parameter Store. `refresh` blocks, so it runs on a thread or where waiting is meant. `copy` is
    where the last good policies are kept; None keeps none. Raises `ConfigurationError` at start."""

    def __init__(self, store: SsmPolicyStore, copy: Path | None = None) -> None:
        self._store, self._copy = store, copy
        self._turn = threading.Lock()
        self._said = ""
        self.refused = 0
        self._looked_s = time.time()
        try:
            self._found = look(store)
        except TierwiseError as error:
            self._found = self._from_copy(error)
        else:
            self._keep()

    def rollout(self) -> Rollout:
        """The policies in force."""
        return self._found.rollout

    def refresh(self) -> bool:
        """Look, and take over what changed; True when other policies are in force now. Never raises."""
        if not self._turn.acquire(blocking=False):
            return False
        try:
            return self._take(look(self._store, labelled=self._found.labelled))
        except Exception as error:
            self._refuse(error)
            return False
        finally:
            self._looked_s = time.time()
            self._turn.release()

    def catch_up(self, every_s: float) -> bool:
        """`refresh` where the last look is older than that: for a host that is frozen between requests, where no thread
        keeps time. By the wall's clock, because a machine that is frozen may stop its own."""
        late = not 0.0 <= time.time() - self._looked_s < every_s
        return late and self.refresh()

    def _take(self, found: Found) -> bool:
        if self._said:
            _log.warning("the policy in Parameter Store can be used again")
            self._said = ""
        before, after = self._found, found
        if _names(after.rollout) == _names(before.rollout):
            # The same objects stay, so that nothing is compiled again.
            self._found = Found(rollout=before.rollout, labelled=after.labelled)
            return False
        self._found = after
        self._keep()
        return True

    def _refuse(self, error: Exception) -> None:
        """Count it every time, so that an alarm lasts as long as the trouble; say it once."""
        self.refused += 1
        said = str(error) if isinstance(error, TierwiseError) else f"unexpected {type(error).__name__}"
        if said != self._said:
            self._said = said
            label = self._found.rollout.stable.label
            _log.error("the policy is refused, %s stays in force: %s", label, said[:SAID])

    def _from_copy(self, error: TierwiseError) -> Found:
        found = _read_copy(self._copy, self._store.policy) if self._copy is not None else None
        if found is None:
            raise ConfigurationError(
                f"policy.ssm {self._store.policy}: {str(error)[:SAID]}; and there is no copy of an earlier policy, so "
                "nothing says what this environment permits"
            ) from error
        self._found = found
        self._refuse(error)
        return found

    def _keep(self) -> None:
        """Write the copy, whole or not at all. A read-only disk costs the copy, not the policy."""
        if self._copy is None:
            return
        now = self._found.rollout
        document = {
            "parameter": self._store.policy,
            "labelled": self._found.labelled,
            "stable": to_document(now.stable),
            "canary": to_document(now.canary) if now.canary is not None else None,
            "share": now.share,
            "ramp": now.ramp,
        }
        partial = self._copy.with_suffix(f".{os.getpid()}")
        try:
            self._copy.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(document), encoding="utf-8")
            partial.replace(self._copy)
        except OSError as error:
            _log.warning("no copy of the policy can be kept in %s: %s", self._copy, error.strerror)


def _names(now: Rollout) -> tuple[str, str | None, float, bool]:
    return now.stable.sha256, now.canary.sha256 if now.canary is not None else None, now.share, now.ramp


def _read_copy(file: Path, parameter: str) -> Found | None:
    """The copy, None when there is none that can be used for this parameter."""
    try:
        with file.open("rb") as opened:
            document: dict[str, Any] = json.loads(opened.read(MAX_COPY_BYTES))
        if document["parameter"] != parameter:
            return None
        canary = from_document(document["canary"]) if document["canary"] is not None else None
        share, ramp = float(document["share"]), document.get("ramp") is True
        kept = rollout(from_document(document["stable"]), canary, share, ramp)
        return Found(rollout=kept, labelled=document["labelled"] is True)
    except (OSError, ValueError, KeyError, TypeError, ConfigurationError):
        return None
