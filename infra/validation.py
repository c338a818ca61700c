"""What a template must hold before it may leave this machine: errors here fail `cdk synth`, and so every deployment.

Three judges: the AwsSolutions rules of cdk-nag, CloudFormation's own rules, and ours (`rules.guard`). The context flag
`@aws-cdk/core:validateAgainstDefaultRules` in `cdk.json` makes the last two errors rather than warnings.
"""

from __future__ import annotations

from pathlib import Path

from aws_cdk import Acknowledgment, App, CloudFormationValidatePlugin, ValidationRuleSource, Validations
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct

RULES = Path(__file__).with_name("rules.guard")


def validate(app: App) -> None:
    """Put every judge on the application."""
    ours = ValidationRuleSource(name="tierwise", content=RULES.read_text())
    Validations.of(app).add_plugins(
        AwsSolutionsChecks(app), CloudFormationValidatePlugin(guard_rules=[ours], include_default_rules=True)
    )


def acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    """A finding that stays, beside the construct that causes it. `rule` as in the report: `IAM5[Resource::*]`."""
    Validations.of(construct).acknowledge(
        Acknowledgment(id=f"AwsSolutions::AwsSolutions-{rule}", reason=reason)
    )
