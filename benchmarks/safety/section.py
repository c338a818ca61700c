"""How much the safety agent's own signals catch, and how much they catch that is none, by kind.

The set is made from templates and a seed. What the signals were tuned on and what they never saw are told apart, because only
the second says what a stranger's text meets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Final

from benchmarks.figures import Effort, Section, Table
from benchmarks.safety.attacks import attacks
from benchmarks.safety.held_out import unseen_attacks, unseen_innocent
from benchmarks.safety.innocent import innocent
from benchmarks.safety.personal import not_read, personal
from router_core.policy.guarding import GuardRule
from router_core.signals.guard import guard_score
from router_core.signals.sensitivity import scan

SEED: Final = 20_261_121
EACH: Final = 60
AT: Final = GuardRule(name="any", on="injection").at
Labelled = tuple[str, str]
_INJECTIONS: Final = """\
{count} texts in all. Caught: a score of {at} and above, at which the default policy counts a request. "unseen" texts were written
apart and nothing was tuned on them; those "without one" hold no wording that a pattern could wait for, and are what a model that
judges content is for. Templates of one author are no sample of the world: read the kinds, not the mean."""
_PERSONAL: Final = """\
Found: the kind that was put in, checked where the kind has check digits. What is "not read" has no pattern here."""
_INNOCENT: Final = """\
Innocent texts, and the share of them that a rule would have refused: by the injection score of {at} and above, and as personal data
of confidential kinds."""


def items(each: int = EACH) -> Iterator[tuple[str, str, str]]:
    """The whole set: label (attack, innocent, personal, not_read), kind, text."""
    makers: tuple[tuple[str, Callable[[Random, int], Iterable[Labelled]]], ...] = (
        ("attack", attacks),
        ("attack", unseen_attacks),
        ("innocent", innocent),
        ("innocent", unseen_innocent),
        ("personal", personal),
        ("not_read", not_read),
    )
    for number, (label, make) in enumerate(makers):
        for kind, text in make(Random(SEED + number), each):
            yield label, kind, text


def shares(label: str, each: int, caught: Callable[[str, str], bool]) -> dict[str, float]:
    """Share of each kind under a label that is caught; `caught` is told the kind and the text."""
    found: dict[str, list[bool]] = defaultdict(list)
    for given, kind, text in items(each):
        if given == label:
            found[kind].append(caught(kind, text))
    return {kind: sum(hits) / len(hits) for kind, hits in found.items()}


def injected(_: str, text: str) -> bool:
    """Whether a rule at the default score fires."""
    return guard_score(text) >= AT


def found_kind(kind: str, text: str) -> bool:
    """Whether the kind that was put in is found."""
    return any(span.kind == kind for span in scan(text))


def called_personal(_: str, text: str) -> bool:
    """Whether an innocent text would be taken for confidential."""
    ordinary = {"ip_address", "email", "phone", "geo_coordinates", "mac_address"}
    return any(span.kind not in ordinary for span in scan(text))


def measure(effort: Effort) -> Section:
    """All shares; the set is the same whatever the effort, but for a quick look."""
    each = EACH if effort.calls >= 4_000 else 12
    count = sum(1 for _ in items(each))
    attacked, kinds = shares("attack", each, injected), shares("personal", each, found_kind)
    unread = shares("not_read", each, lambda _, text: bool(scan(text)))
    false, taken = shares("innocent", each, injected), shares("innocent", each, called_personal)
    seen = [share for kind, share in attacked.items() if not kind.startswith("unseen")]
    strange = [share for kind, share in false.items() if kind.startswith("unseen")]
    return Section(
        name="safety",
        tables=(
            Table(
                title="Safety: injections and jailbreaks that are caught",
                header=("kind", "caught"),
                rows=tuple((kind, f"{share:.0%}") for kind, share in attacked.items()),
                note=_INJECTIONS.format(count=count, at=AT),
            ),
            Table(
                title="Safety: personal data that is found",
                header=("kind", "found"),
                rows=tuple((kind, f"{share:.0%}") for kind, share in kinds.items())
                + tuple((f"{kind} (not read)", f"{share:.0%}") for kind, share in unread.items()),
                note=_PERSONAL,
            ),
            Table(
                title="Safety: innocent texts that would be refused",
                header=("kind", "as injection", "as personal data"),
                rows=tuple((kind, f"{share:.1%}", f"{taken[kind]:.1%}") for kind, share in false.items()),
                note=_INNOCENT.format(at=AT),
            ),
        ),
        figures={
            "injections_caught": 100.0 * sum(seen) / len(seen),
            "injections_unseen": 100.0 * attacked["unseen, with a wording"],
            "personal_found": 100.0 * min(kinds.values()),
            "innocent_refused": 100.0 * sum(false.values()) / len(false),
            "innocent_unseen_refused": 100.0 * sum(strange) / len(strange),
        },
    )
