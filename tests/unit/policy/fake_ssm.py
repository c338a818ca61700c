"""Parameter Store in memory, with the limits that AWS documents and local stand-ins leave out: 100 versions of which a
labelled oldest one blocks every write, ten labels for a version, 4 KB for a standard parameter and 8 KB for an advanced
one, at most 50 versions a page. A missing label is `ParameterVersionNotFound`, as in AWS.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

VERSIONS = 100
LABELS = 10
BYTES = {"Standard": 4096, "Advanced": 8192}
PAGE = 50


@dataclass
class Kept:
    version: int
    value: str
    tier: str
    labels: list[str] = field(default_factory=list)


@dataclass
class FakeSsm:
    """`failing` is the error code of every call while it is set; `before` is called with the name of each operation that
    changes something, so that a test can be the other operator."""

    parameters: dict[str, list[Kept]] = field(default_factory=dict)
    failing: str | None = None
    before: Callable[[str], None] = lambda _: None
    calls: list[str] = field(default_factory=list)

    def put_parameter(self, *, Name: str, Value: str, Tier: str = "Standard", **_: Any) -> dict[str, Any]:
        self._called("PutParameter", changes=True)
        kept = self.parameters.setdefault(Name, [])
        tier = "Advanced" if any(one.tier == "Advanced" for one in kept) else Tier
        if len(Value.encode()) > BYTES[tier]:
            raise fault("ValidationException")
        if len(kept) >= VERSIONS:
            if kept[0].labels:
                raise fault("ParameterMaxVersionLimitExceeded")
            kept.pop(0)
        kept.append(Kept(version=kept[-1].version + 1 if kept else 1, value=Value, tier=tier))
        return {"Version": kept[-1].version}

    def get_parameter(self, *, Name: str, WithDecryption: bool) -> dict[str, Any]:
        self._called("GetParameter")
        name, _, which = Name.partition(":")
        kept = self._kept(name)
        if not which:
            return {"Parameter": _told(kept[-1])}
        for one in kept:
            if which in one.labels or which == str(one.version):
                return {"Parameter": _told(one)}
        raise fault("ParameterVersionNotFound")

    def get_parameter_history(
        self, *, Name: str, WithDecryption: bool, MaxResults: int, NextToken: str = "0"
    ) -> dict[str, Any]:
        self._called("GetParameterHistory")
        assert MaxResults <= PAGE
        kept, start = self._kept(Name), int(NextToken)
        page = {"Parameters": [_told(one) for one in kept[start : start + MaxResults]]}
        more = start + MaxResults
        return {**page, "NextToken": str(more)} if len(kept) > more else page

    def label_parameter_version(
        self, *, Name: str, ParameterVersion: int, Labels: list[str]
    ) -> dict[str, Any]:
        self._called("LabelParameterVersion", changes=True)
        wanted = self._version(Name, ParameterVersion)
        bad = [label for label in Labels if re.match(r"aws|ssm|\d", label) or len(label) > 100]
        good = [label for label in Labels if label not in bad]
        if len({*wanted.labels, *good}) > LABELS:
            raise fault("ParameterVersionLabelLimitExceeded")
        for one in self._kept(Name):
            one.labels = [label for label in one.labels if label not in good]
        wanted.labels += good
        return {"InvalidLabels": bad, "ParameterVersion": ParameterVersion}

    def unlabel_parameter_version(
        self, *, Name: str, ParameterVersion: int, Labels: list[str]
    ) -> dict[str, Any]:
        self._called("UnlabelParameterVersion", changes=True)
        wanted = self._version(Name, ParameterVersion)
        wanted.labels = [label for label in wanted.labels if label not in Labels]
        return {}

    def labels(self, name: str) -> dict[str, int]:
        """Version by label."""
        return {label: one.version for one in self.parameters[name] for label in one.labels}

    def _called(self, operation: str, *, changes: bool = False) -> None:
        if changes:
            hook, self.before = self.before, lambda _: None
            hook(operation)
            self.before = hook
        self.calls.append(operation)
        if self.failing is not None:
            raise fault(self.failing)

    def _kept(self, name: str) -> list[Kept]:
        if not self.parameters.get(name):
            raise fault("ParameterNotFound")
        return self.parameters[name]

    def _version(self, name: str, version: int) -> Kept:
        for one in self._kept(name):
            if one.version == version:
                return one
        raise fault("ParameterVersionNotFound")


def fault(code: str) -> ClientError:
    """What botocore raises for an error answer of AWS."""
    return ClientError({"Error": {"Code": code, "Message": "the text of AWS"}}, "Operation")


def _told(one: Kept) -> dict[str, Any]:
    return {
        "Value": one.value,
        "Version": one.version,
        "Labels": list(one.labels),
        "LastModifiedDate": datetime(2026, 11, 21, tzinfo=UTC),
        "LastModifiedUser": "arn:aws:iam::123456789012:user/somebody",
    }
