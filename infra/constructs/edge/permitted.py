"""Puts rows of permissions on a role, each wildcard acknowledged with the reason that the row gives."""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import aws_iam as iam

from infra.constructs.functions.grants import Grant
from infra.validation import acknowledge


def permit(role: iam.Role, rows: Iterable[Grant]) -> None:
    """Allow the role what the rows say."""
    for row in rows:
        role.add_to_policy(
            iam.PolicyStatement(
                actions=list(row.actions), resources=list(row.resources), conditions=dict(row.conditions)
            )
        )
        for wildcard in row.wildcards:
            acknowledge(role, f"IAM5[Resource::{wildcard}]", row.reason or "")
