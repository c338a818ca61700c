"""`tierwise policy ... --env`: how an environment stands, and changing it: push, promote, rollback.

Everything is checked and shown before a person is asked; nothing is written before the answer.
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from gateway.cli.output import note, print_json, print_table
from gateway.cli.policy.changes import (
    UNWEIGHED,
    Author,
    PolicyChanges,
    Standing,
    check_proof,
    named,
    standing,
)
from gateway.cli.policy.files import print_diff
from gateway.composition.policy import policy_store
from router_core.adapters.aws.client import aws_client, error_code
from router_core.adapters.aws.ssm_policy_store import SsmPolicyStore, Stored
from router_core.adapters.policy_file import MAX_FILE_BYTES, read_policy
from router_core.deployment import CANARY, STABLE, policy_parameter
from router_core.errors import ConfigurationError, NotFoundError, StoreError, TierwiseError
from router_core.learning.off_policy.verdict import Verdict
from router_core.policy.document import Policy
from router_core.policy.parse import minified, parse
from router_core.policy.rollout import MAX_WORDS, Change, parse_shift

USAGE: Final = 2
CHANGES_SHOWN: Final = 10
FIRST_SHARE: Final = 0.1
"""A canary's share unless another is given."""


def run_in_environment(options: argparse.Namespace) -> int:
    """The action's status. Raises `TierwiseError`."""
    return _ACTIONS[options.action](options, policy_store(policy_parameter(options.env)))


def _show(options: argparse.Namespace, store: SsmPolicyStore) -> int:
    seen = standing(store)
    if seen.in_force is None:
        raise NotFoundError(f"there is no parameter {store.policy}: `tierwise policy push` makes it")
    stable, canary = seen.labelled(STABLE), seen.labelled(CANARY)
    rule = f"label {STABLE}" if stable is not None else "newest version"
    newer = [one.version for one in seen.versions if stable is not None and one.version > stable.version]
    drafts = [number for number in newer if canary is None or number != canary.version]
    told: dict[str, Any] = {
        "parameter": store.policy,
        "rule": rule,
        "in_force": _described(seen.in_force),
        "canary": _described(canary) if canary is not None else None,
        "share": seen.shift.share,
        "drafts": drafts,
        "changes": [asdict(change) for change in _changes(seen)],
    }
    if options.json:
        print_json(told)
        return 0
    print(f"{store.policy}: {named(seen.in_force)} is in force by the rule: {rule}")
    if canary is not None:
        print(f"canary: {named(canary)} for {seen.shift.share:.0%} of the sessions")
    if drafts:
        print(f"not in force, because no label points to them: versions {', '.join(map(str, drafts))}")
    rows = [(one.at, one.action, one.before, one.after, one.by, one.why) for one in _changes(seen)]
    print_table(("when", "what", "from", "to", "who", "why"), rows)
    return 0


def _pull(options: argparse.Namespace, store: SsmPolicyStore) -> int:
    which = options.version or (CANARY if options.canary else STABLE)
    found = store.document(which)
    if found is None and which == STABLE:
        found = store.document()
    if found is None:
        raise NotFoundError(f"{store.policy} has no version {which}")
    document = json.dumps(_decoded(found), indent=2, ensure_ascii=False) + "\n"
    if options.out:
        Path(options.out).write_text(document, encoding="utf-8")
        note(f"version {found.version} of {store.policy} is in {options.out}")
    else:
        sys.stdout.write(document)
    return 0


def _diff(options: argparse.Namespace, store: SsmPolicyStore) -> int:
    """A file against the policy in force; without a file, the policy in force against the canary."""
    seen = standing(store)
    before = _policy_of(seen.in_force, store)
    if options.before is not None:
        after = read_policy(Path(options.before))
    else:
        canary = seen.labelled(CANARY)
        if canary is None:
            raise NotFoundError("no canary runs: name a policy file to compare with the one in force")
        after = _policy_of(canary, store)
    print_diff(before, after, as_json=options.json)
    return 0


def _push(options: argparse.Namespace, store: SsmPolicyStore) -> int:
    policy, text = _read_file(Path(options.file))
    seen = standing(store)
    share = FIRST_SHARE if options.share is None else options.share
    ramp = options.ramp or options.share is None
    steps = ", in steps" if ramp else ""
    asked = f"Push {policy.label} to {options.env} for {share:.0%} of the sessions{steps}?"
    return _changed(
        options, store, seen, asked, policy, lambda changes: changes.push(policy, text, share, ramp=ramp)
    )


def _promote(options: argparse.Namespace, store: SsmPolicyStore) -> int:
    seen = standing(store)
    canary = seen.labelled(CANARY)
    after = _policy_of(canary, store) if canary is not None else None
    proof = _proof(options, seen, after)
    if canary is not None:
        check_proof(proof, force=options.force)
        note(f"evidence: {proof.word}: {proof.why}")
    asked = f"Make {named(canary)} the policy of all sessions in {options.env}?"
    return _changed(
        options, store, seen, asked, after, lambda changes: changes.promote(proof, force=options.force)
    )


def _proof(options: argparse.Namespace, seen: Standing, after: Policy | None) -> Verdict:
    """What past requests say of the canary against the policy in force."""
    from gateway.cli.policy.simulate import simulate

    try:
        before = parse(seen.in_force.text) if seen.in_force is not None else None
    except ConfigurationError:
        before = None
    if before is None or after is None:
        return Verdict(word="not enough evidence", why="there is no policy to compare with")
    found, place = simulate(options, after, before)
    if found.overall.decisions:
        return found.verdict
    if place.table is not None:
        tenants = ", ".join(place.tenants)
        why = f"{place.named} holds no decision of that time that can be weighed (tenants {tenants})"
        return Verdict(word="not enough evidence", why=why)
    return Verdict(word=UNWEIGHED, why="no decision of that time is on record here; nothing was weighed")


def _rollback(options: argparse.Namespace, store: SsmPolicyStore) -> int:
    seen = standing(store)
    canary = seen.labelled(CANARY)
    wanted = options.to or seen.shift.previous
    target = seen.version(wanted) if canary is None and wanted is not None else None
    asked = (
        f"End the canary {named(canary)} in {options.env}?"
        if canary is not None
        else f"Go back from {named(seen.in_force)} to {named(target)} in {options.env}?"
    )
    after = _policy_of(target, store) if target is not None else None
    return _changed(options, store, seen, asked, after, lambda changes: changes.rollback(options.to))


def _changed(
    options: argparse.Namespace,
    store: SsmPolicyStore,
    seen: Standing,
    asked: str,
    after: Policy | None,
    act: Callable[[PolicyChanges], Change],
) -> int:
    """Show, ask, do, tell."""
    why = " ".join(options.why.split())
    if not why or len(why) > MAX_WORDS:
        raise ConfigurationError(f"--why must be a text of at most {MAX_WORDS} characters")
    if not options.yes:
        if options.json or not sys.stdin.isatty():
            note("tierwise: this changes a running environment: say --yes where nobody can be asked")
            return USAGE
        _preview(seen.in_force, after)
        if input(f"{asked} [y/N] ").strip().lower() not in ("y", "yes"):
            note("nothing was changed")
            return 1
    change = act(PolicyChanges(store, seen, Author(by=options.by or _identity(), why=why)))
    if options.json:
        print_json({"environment": options.env, **asdict(change)})
    else:
        print(f"{options.env}: {change.action}: {change.before} -> {change.after}")
    return 0


def _preview(before: Stored | None, after: Policy | None) -> None:
    """What would change, where both sides are policies: a broken one must not stop its own repair."""
    if before is None or after is None:
        return
    with suppress(ConfigurationError):
        print_diff(parse(before.text), after, as_json=False)


def _identity() -> str:
    """Who AWS says this is, else the user of this machine."""
    try:
        return str(aws_client("sts").get_caller_identity()["Arn"])
    except StoreError:
        return getpass.getuser()
    except Exception as error:
        if error_code(error) is None:
            raise
        return getpass.getuser()


def _read_file(file: Path) -> tuple[Policy, str]:
    """The policy, and its document as it will be stored: what the file says, without blanks."""
    policy = read_policy(file)
    with file.open("rb") as opened:
        return policy, minified(json.loads(opened.read(MAX_FILE_BYTES))).decode()


def _policy_of(stored: Stored | None, store: SsmPolicyStore) -> Policy:
    if stored is None:
        raise NotFoundError(f"there is no parameter {store.policy}: `tierwise policy push` makes it")
    try:
        return parse(stored.text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{store.policy} version {stored.version}: {error}") from error


def _decoded(stored: Stored) -> Any:
    try:
        return json.loads(stored.text)
    except ValueError as error:
        raise ConfigurationError(f"version {stored.version} is not JSON") from error


def _described(stored: Stored) -> dict[str, Any]:
    told: dict[str, Any] = {"version": stored.version, "at": stored.at, "by": stored.by}
    try:
        policy = parse(stored.text)
    except ConfigurationError as error:
        return {**told, "invalid": str(error)}
    return {**told, "policy": policy.label, "sha256": policy.sha256}


def _changes(seen: Standing) -> list[Change]:
    """The newest first; a version that somebody wrote by hand may have no record."""
    found: list[Change] = []
    for one in reversed(seen.shifts):
        try:
            change = parse_shift(one.text).change
        except TierwiseError:
            continue
        if change is not None:
            found.append(change)
    return found[:CHANGES_SHOWN]


_ACTIONS: Final[Mapping[str, Callable[[argparse.Namespace, SsmPolicyStore], int]]] = {
    "show": _show,
    "pull": _pull,
    "diff": _diff,
    "push": _push,
    "promote": _promote,
    "rollback": _rollback,
}
