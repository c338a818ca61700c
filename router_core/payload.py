"""Records as JSON and back, exactly, for stages that run on different machines.

One codec reads the fields of any record of the core, so that a new field travels by itself. What equals its default is
left out; floats keep every bit, because JSON's shortest form reads back to the same double. Errors travel by the name
of their class, so that a state machine can tell them apart and the last stage can raise them again.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from router_core import errors
from router_core.execution import Attempt

T = TypeVar("T")
_Reader = Callable[[Any], Any]
_layouts: Final[dict[type, tuple[tuple[str, Any], ...]]] = {}
_read: Final[dict[type, Mapping[str, _Reader]]] = {}


def _unchanged(value: Any) -> Any:
    return value


def to_json(record: Any) -> dict[str, Any]:
    """The record's fields that differ from their defaults, as JSON-ready values."""
    found: dict[str, Any] = {}
    for name, default in _layout(type(record)):
        value = getattr(record, name)
        if default is MISSING or value != default:
            found[name] = _plain(value)
    return found


def from_json(cls: type[T], values: Mapping[str, Any]) -> T:
    """The record that `to_json` was given, after a trip through JSON. Raises TypeError for a field it does not have."""
    readers = _readers(cls)
    return cls(**{name: readers.get(name, _unchanged)(value) for name, value in values.items()})


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_json(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _layout(cls: type) -> tuple[tuple[str, Any], ...]:
    known = _layouts.get(cls)
    if known is None:
        known = _layouts[cls] = tuple((item.name, _default(item)) for item in fields(cls))
    return known


def _default(item: Any) -> Any:
    return item.default_factory() if item.default_factory is not MISSING else item.default


def _readers(cls: type) -> Mapping[str, _Reader]:
    """How each field is read back; fields that JSON leaves as they are have no entry."""
    known = _read.get(cls)
    if known is None:
        found = {name: _reader(hint) for name, hint in get_type_hints(cls).items()}
        known = _read[cls] = {name: read for name, read in found.items() if read is not _unchanged}
    return known


def _reader(hint: Any) -> _Reader:
    if is_dataclass(hint):
        return lambda value: from_json(hint, value)  # type: ignore[arg-type]  # a class, by the hint
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        readers = [_reader(one) for one in inner if one is not type(None)]
        known = next((read for read in readers if read is not _unchanged), _unchanged)
        return _unchanged if known is _unchanged else lambda value: None if value is None else known(value)
    if origin is tuple:
        each = _reader(inner[0])
        return tuple if each is _unchanged else lambda value: tuple(each(item) for item in value)
    return _unchanged


# ---- errors ------------------------------------------------------------------------------------------------------------


def error_to_json(error: BaseException) -> dict[str, Any]:
    """The error by its class's name, its sentence, and what else callers are told of it."""
    told: dict[str, Any] = {"error": type(error).__name__, "detail": str(error)}
    for name in ("rejected", "retry_after_s", "deadline_ms", "field", "policy", "rules"):
        value = getattr(error, name, None)
        if value is not None:
            told[name] = _plain(value)
    if isinstance(error, errors.AllTargetsFailedError | errors.DeadlineError):
        told["attempts"] = [to_json(attempt) for attempt in error.attempts]
    if isinstance(error, errors.AllTargetsFailedError):
        told["last"] = error_to_json(error.last)
    return told


def error_from_json(told: Mapping[str, Any]) -> errors.TierwiseError:
    """The error that `error_to_json` was given; `LostError` for a name that is none of ours."""
    error = _error(told)
    error.policy = told.get("policy")
    return error


def _error(told: Mapping[str, Any]) -> errors.TierwiseError:
    cls = getattr(errors, str(told.get("error")), None)
    detail, retry_after_s = str(told.get("detail", "")), cast(Any, told.get("retry_after_s"))
    if not (isinstance(cls, type) and issubclass(cls, errors.TierwiseError)):
        return errors.LostError("a stage of the workflow ended without an answer")
    if issubclass(cls, errors.AllTargetsFailedError):
        return cls(_attempts(told), target_error(told["last"]))
    if issubclass(cls, errors.DeadlineError):
        return cls(_attempts(told), told["deadline_ms"])
    if issubclass(cls, errors.NoTargetError):
        return cls(detail, rejected=told["rejected"], retry_after_s=retry_after_s)
    if issubclass(cls, errors.RateLimitedError | errors.ThrottledError | errors.KeyThrottledError):
        return cls(detail, retry_after_s=retry_after_s)
    if issubclass(cls, errors.GuardBlockedError | errors.GuardUnavailableError):
        return cls(detail, rules=tuple(told.get("rules", ())))
    if issubclass(cls, errors.RequestError):
        return cls(detail, field=told.get("field"))
    return cls(detail)


def target_error(told: Mapping[str, Any]) -> errors.TargetError:
    """The same for what one target said."""
    error = error_from_json(told)
    return error if isinstance(error, errors.TargetError) else errors.UnavailableError(str(error))


def _attempts(told: Mapping[str, Any]) -> tuple[Attempt, ...]:
    return tuple(from_json(Attempt, one) for one in told["attempts"])
