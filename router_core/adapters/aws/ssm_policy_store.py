"""A policy in AWS Systems Manager Parameter Store: the document with its versions and labels, the rollout beside it.

Two parameters. `/tierwise/{env}/policy` holds the policy; its versions are immutable and a label points to one of them.
`/tierwise/{env}/rollout` holds the canary's share with the last change, so its history is the record of all changes.

Parameter Store has no conditional write. Whoever changes something compares what is there right before with what was
read; and a write answers with its version, which tells afterwards whether another one came between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from router_core.adapters.aws.client import COMMON_FAULTS, Faults, aws_client, error_code, store_errors
from router_core.errors import StaleStateError, StoreError
from router_core.record import dataclass

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient

KEPT: Final = 100
"""Versions that Parameter Store keeps; a write deletes the oldest, and fails where that one has a label."""
HISTORY_PAGE: Final = 50
WHAT: Final = "Parameter Store"
ABSENT: Final = ("ParameterNotFound", "ParameterVersionNotFound")
FAULTS: Final[Faults] = {
    **COMMON_FAULTS,
    **{code: (StoreError, "has no such parameter or version") for code in ABSENT},
    "InternalServerError": (StoreError, "failed by itself"),
    "InvalidKeyId": (StoreError, "cannot use the parameter's key"),
    "InvalidNextToken": (StoreError, "lost its place in the list"),
    "TooManyUpdates": (StaleStateError, "says that somebody else is writing at this moment"),
    "ParameterLimitExceeded": (StoreError, "has no room for another parameter"),
    "ParameterAlreadyExists": (StaleStateError, "says that somebody else was faster"),
    "ParameterMaxVersionLimitExceeded": (
        StoreError,
        "takes no new version, because the oldest of 100 has a label; move that label first",
    ),
    "ParameterVersionLabelLimitExceeded": (StoreError, "allows ten labels for a version"),
    "ParameterPatternMismatchException": (StoreError, "has a pattern that the text does not match"),
    "InvalidAllowedPatternException": (StoreError, "has a pattern that cannot be used"),
    "HierarchyLevelLimitExceededException": (StoreError, "does not take a name of so many parts"),
    "HierarchyTypeMismatchException": (StoreError, "has another type of parameter there"),
    "UnsupportedParameterType": (StoreError, "has another type of parameter there"),
    "PoliciesLimitExceededException": (StoreError, "has too many policies on the parameter"),
    "InvalidPolicyTypeException": (StoreError, "has a policy on the parameter that cannot be used"),
    "InvalidPolicyAttributeException": (StoreError, "has a policy on the parameter that cannot be used"),
    "IncompatiblePolicyException": (StoreError, "has a policy on the parameter that cannot be used"),
    "InvalidFilterKey": (StoreError, "does not accept such a request"),
    "InvalidFilterOption": (StoreError, "does not accept such a request"),
    "InvalidFilterValue": (StoreError, "does not accept such a request"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One version of a parameter. `by` is who AWS saw writing it; both it and `at` are empty where it was not asked."""

    text: str
    version: int
    labels: tuple[str, ...] = ()
    at: str = ""
    by: str = ""


def rollout_beside(policy: str) -> str:
    """The rollout parameter of a policy parameter: `/tierwise/dev/policy` has `/tierwise/dev/rollout`."""
    return f"{policy.rpartition('/')[0]}/rollout"


class SsmPolicyStore:
    """The two parameters of one policy. Blocks; raises `StoreError`."""

    def __init__(self, client: SSMClient, policy: str) -> None:
        self._client = client
        self.policy, self.rollout = policy, rollout_beside(policy)

    @classmethod
    def connect(cls, policy: str, *, region: str | None = None) -> SsmPolicyStore:
        """With a client of its own, and AWS's SDK imported for it."""
        return cls(aws_client("ssm", region=region), policy)

    def document(self, which: str | int | None = None) -> Stored | None:
        """The policy's text by label or version, the newest without; None where there is none."""
        return self._get(self.policy if which is None else f"{self.policy}:{which}")

    def shift(self) -> Stored | None:
        """The rollout document."""
        return self._get(self.rollout)

    def versions(self, parameter: str) -> tuple[Stored, ...]:
        """All versions that are kept, oldest first; empty where the parameter does not exist."""
        with store_errors(WHAT, FAULTS):
            return tuple(sorted(self._history(parameter), key=lambda one: one.version))

    def put_document(self, text: str) -> int:
        """A new version without a label, of the tier that takes 8 KB. A new version alone changes nothing where a label
        says what is in force."""
        return self._put(self.policy, text, Tier="Advanced")

    def put_shift(self, text: str) -> int:
        """A new version of the rollout document."""
        return self._put(self.rollout, text)

    def label(self, version: int, label: str) -> None:
        """Let `label` point to `version`; it leaves the version it pointed to."""
        with store_errors(WHAT, FAULTS):
            answer = self._client.label_parameter_version(
                Name=self.policy, ParameterVersion=version, Labels=[label]
            )
        if answer.get("InvalidLabels"):
            raise StoreError(f"{WHAT} does not take the label {label}")

    def unlabel(self, version: int, label: str) -> None:
        """Take `label` from `version`; a label that is not there is no error."""
        with store_errors(WHAT, FAULTS):
            self._client.unlabel_parameter_version(Name=self.policy, ParameterVersion=version, Labels=[label])

    def _get(self, name: str) -> Stored | None:
        with store_errors(WHAT, FAULTS):
            try:
                found = self._client.get_parameter(Name=name, WithDecryption=True)["Parameter"]
            except Exception as error:
                if error_code(error) in ABSENT:
                    return None
                raise
        return Stored(text=found.get("Value", ""), version=found.get("Version", 0))

    def _history(self, parameter: str) -> Iterator[Stored]:
        wanted: dict[str, Any] = {"Name": parameter, "WithDecryption": True, "MaxResults": HISTORY_PAGE}
        while True:
            try:
                page = self._client.get_parameter_history(**wanted)
            except Exception as error:
                if error_code(error) in ABSENT:
                    return
                raise
            yield from (_stored(one) for one in page["Parameters"])
            if not page.get("NextToken"):
                return
            wanted["NextToken"] = page["NextToken"]

    def _put(self, name: str, text: str, **more: Any) -> int:
        with store_errors(WHAT, FAULTS):
            answer = self._client.put_parameter(Name=name, Value=text, Type="String", Overwrite=True, **more)
        return answer["Version"]


def _stored(found: Mapping[str, Any]) -> Stored:
    at = found.get("LastModifiedDate")
    return Stored(
        text=found.get("Value", ""),
        version=found["Version"],
        labels=tuple(found.get("Labels", ())),
        at=at.isoformat(timespec="seconds") if at is not None else "",
        by=str(found.get("LastModifiedUser", "")),
    )
