"""The policy's word on content: which texts are refused, hidden, kept near or only counted, by rules with names.

A rule looks for one thing (`on`) on the way in, out or both, for the levels, classes and tenants it names (none named:
all), and says what follows. Every rule that fires counts; the strictest decides: block, then mask and force, then report.
A name is what records and metrics show, never the content that it fired on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, field, fields
from typing import Any, Final

from router_core.errors import ConfigurationError
from router_core.inference import PRIVACY_LEVELS, TIERS
from router_core.record import dataclass
from router_core.signals.sensitivity import FOUND_BY_SERVICES, LEVEL_OF_KIND

INJECTION, PII, MODERATION = "injection", "pii", "moderation"
INPUT, OUTPUT, BOTH = "input", "output", "both"
REPORT, MASK, FORCE, BLOCK = "report", "mask", "force", "block"
OPEN, CLOSED = "open", "closed"
MAX_RULES: Final = 16
MAX_LISTED: Final = 32
CLASSES: Final = ("simple", "complex", "critical", "batch")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_WORD: Final = re.compile(r"[!-~]{1,96}")
_ACTIONS: Final = {
    INJECTION: (REPORT, FORCE, BLOCK),
    PII: (REPORT, MASK, FORCE, BLOCK),
    MODERATION: (REPORT, FORCE, BLOCK),
}
NONE: Final = 2.0
"""Above every score: no rule asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRule:
    """`at`: the score in [0, 1] from which it fires (injection, moderation). `kinds` of personal data or `categories` of a
    guard, none named: any. `tiers`: where `force` keeps the request. `guards` are asked in order until one answers; where none
    does, `when_down` is open (counted, let through) or closed; unset, it is closed for the classes in `require_classes`."""

    name: str
    on: str
    action: str = REPORT
    side: str = INPUT
    at: float = 0.5
    kinds: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    when_down: str | None = None

    @property
    def reads_input(self) -> bool:
        return self.side != OUTPUT

    @property
    def reads_output(self) -> bool:
        return self.side != INPUT

    def meets(self, tenant: str, request_class: str, privacy: int) -> bool:
        """Whether it holds for such a request; `privacy` is a rank."""
        return (
            (not self.tenants or tenant in self.tenants)
            and (not self.classes or request_class in self.classes)
            and (not self.levels or PRIVACY_LEVELS[privacy] in self.levels)
        )

    def wants(self, kind: str) -> bool:
        """Whether personal data of this kind is its business."""
        return not self.kinds or kind in self.kinds


REPORT_INJECTION: Final = GuardRule(name="injection", on=INJECTION)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardPolicy:
    """`window_chars`: how much of a stream is held back until it is judged. By default, texts that look like an injection are
    counted, and nothing else happens."""

    rules: tuple[GuardRule, ...] = (REPORT_INJECTION,)
    window_chars: int = 400
    require_classes: tuple[str, ...] = ("critical",)
    injection_at: float = field(init=False, compare=False, repr=False, default=NONE)
    """The lowest score at which any rule wants to know of an injection."""
    on_pii: bool = field(init=False, compare=False, repr=False, default=False)
    """Whether any rule cares for personal data on the way in."""
    asks: bool = field(init=False, compare=False, repr=False, default=False)
    """Whether any rule has a guard asked on the way in."""
    reads_output: bool = field(init=False, compare=False, repr=False, default=False)
    """Whether any rule reads answers."""

    def __post_init__(self) -> None:
        # Every request asks these; they are the rules' own, so they are worked out once.
        rules, put = self.rules, object.__setattr__
        put(self, "injection_at", min([rule.at for rule in rules if rule.on == INJECTION], default=NONE))
        put(self, "on_pii", any(rule.on == PII and rule.reads_input for rule in rules))
        put(self, "asks", any(rule.on == MODERATION and rule.reads_input for rule in rules))
        put(self, "reads_output", any(rule.reads_output for rule in rules))

    def closed(self, rule: GuardRule, request_class: str) -> bool:
        """What a guard that does not answer means."""
        if rule.when_down is not None:
            return rule.when_down == CLOSED
        return request_class in self.require_classes


# ---- reading and writing the document -----------------------------------------------------------------------------------

_LISTS: Final[Mapping[str, tuple[str, ...] | None]] = {
    "kinds": tuple(LEVEL_OF_KIND),
    "categories": None,
    "levels": PRIVACY_LEVELS,
    "classes": CLASSES,
    "tenants": None,
    "tiers": TIERS,
    "guards": None,
}
_CHOICES: Final = {
    "on": tuple(_ACTIONS),
    "action": (REPORT, MASK, FORCE, BLOCK),
    "side": (INPUT, OUTPUT, BOTH),
    "when_down": (OPEN, CLOSED),
}
_DEFAULTS: Final = {item.name: item.default for item in fields(GuardRule)}


def guard_policy(value: object) -> GuardPolicy:
    """Read the section. Raises `ConfigurationError` naming the key."""
    table = _table("guard", value, ("rules", "window_chars", "require_classes"))
    made: dict[str, Any] = {}
    if "rules" in table:
        rules = table["rules"]
        if not isinstance(rules, list) or len(rules) > MAX_RULES:
            raise ConfigurationError(f"policy: guard.rules must be a list of at most {MAX_RULES}")
        made["rules"] = tuple(_rule(f"guard.rules[{i}]", rule) for i, rule in enumerate(rules))
        names = [rule.name for rule in made["rules"]]
        if len(set(names)) < len(names):
            raise ConfigurationError("policy: guard.rules must have different names")
    if "window_chars" in table:
        made["window_chars"] = _window(table["window_chars"])
    if "require_classes" in table:
        made["require_classes"] = _list("guard.require_classes", table["require_classes"], CLASSES)
    return GuardPolicy(**made)


def guard_document(policy: GuardPolicy) -> dict[str, Any]:
    """The section as JSON types; of a rule, what differs from the defaults."""
    rules = [
        {name: value for name, value in asdict(rule).items() if value != _DEFAULTS[name]}
        for rule in policy.rules
    ]
    return {
        "rules": rules,
        "window_chars": policy.window_chars,
        "require_classes": list(policy.require_classes),
    }


def guard_schema() -> dict[str, Any]:
    """The section's JSON schema."""
    words: dict[str, Any] = {name: {"type": "string", "enum": list(of)} for name, of in _CHOICES.items()}
    lists: dict[str, Any] = {
        name: {"type": "array", "items": {"type": "string"} if of is None else {"enum": list(of)}}
        for name, of in _LISTS.items()
    }
    rule = {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "on"],
        "properties": {
            "name": {"type": "string", "pattern": f"^{_NAME.pattern}$"},
            "at": {"type": "number"},
            **words,
            **lists,
        },
    }
    properties = {
        "rules": {"type": "array", "items": rule, "maxItems": MAX_RULES},
        "window_chars": {"type": "integer", "default": GuardPolicy().window_chars},
        "require_classes": {"type": "array", "items": {"enum": list(CLASSES)}},
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _rule(path: str, value: object) -> GuardRule:
    table = _table(path, value, tuple(_DEFAULTS))
    made: dict[str, Any] = {}
    for key, given in table.items():
        where = f"{path}.{key}"
        if key in _LISTS:
            made[key] = _list(where, given, _LISTS[key])
        elif key in _CHOICES:
            made[key] = _checked(where, given, given in _CHOICES[key], f"one of {', '.join(_CHOICES[key])}")
        elif key == "at":
            fits = isinstance(given, int | float) and not isinstance(given, bool) and 0.0 <= given <= 1.0
            made[key] = float(_checked(where, given, fits, "a number between 0 and 1"))
        else:
            fits = isinstance(given, str) and _NAME.fullmatch(given) is not None
            made[key] = _checked(where, given, fits, "a word of at most 40 characters: a-z, 0-9, - and _")
    for key in ("name", "on"):
        if key not in made:
            raise ConfigurationError(f"policy: {path}.{key} is missing")
    rule = GuardRule(**made)
    for problem in _misfits(rule):
        raise ConfigurationError(f"policy: {path}: {problem}")
    return rule


def _misfits(rule: GuardRule) -> list[str]:
    """What a rule says that would have no effect, or none that can be had."""
    unmaskable = sorted(FOUND_BY_SERVICES.intersection(rule.kinds))
    cases = (
        (rule.action not in _ACTIONS[rule.on], f"{rule.action} is not for {rule.on}"),
        (rule.action == FORCE and rule.side != INPUT, "force is for input only"),
        (rule.on == INJECTION and rule.side != INPUT, "injection is for input only"),
        ((rule.action == FORCE) != bool(rule.tiers), "force and tiers go together"),
        ((rule.on == MODERATION) != bool(rule.guards), "moderation and guards go together"),
        (bool(rule.kinds) and rule.on != PII, "kinds are for pii only"),
        (bool(rule.categories) and rule.on != MODERATION, "categories are for moderation only"),
        (rule.when_down is not None and rule.on != MODERATION, "when_down is for moderation only"),
        (rule.action == MASK and bool(unmaskable), f"{', '.join(unmaskable)} cannot be masked"),
    )
    return [problem for wrong, problem in cases if wrong]


def _window(value: object) -> int:
    fits = isinstance(value, int) and not isinstance(value, bool) and 40 <= value <= 20_000
    return int(_checked("guard.window_chars", value, fits, "a whole number between 40 and 20000"))


def _list(path: str, value: object, known: tuple[str, ...] | None) -> tuple[str, ...]:
    fits = (
        isinstance(value, list)
        and len(value) <= MAX_LISTED
        and all(isinstance(one, str) and _WORD.fullmatch(one) for one in value)
        and (known is None or all(one in known for one in value))
    )
    wanted = f"a list of at most {MAX_LISTED} words" if known is None else f"a list of {', '.join(known)}"
    return tuple(_checked(path, value, fits, wanted))


def _checked(path: str, value: Any, fits: bool, wanted: str) -> Any:
    if not fits:
        raise ConfigurationError(f"policy: {path} must be {wanted}")
    return value


def _table(path: str, value: object, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigurationError(f"policy: {path} must be an object")
    for key in value:
        if key not in known:
            raise ConfigurationError(f"policy: unknown key {path}.{key}")
    return value
