"""What operators change while workers run: an AppConfig profile, checked before it is taken and rolled out over minutes.

The schema is the one that the product reads with (`router_core/data/jobs-tuning.schema.json`). A roll-out goes back by itself
when a queue's messages grow old or die meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aws_cdk import aws_appconfig as appconfig
from aws_cdk import aws_cloudwatch as cw
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.environments import Environment
from infra.validation import acknowledge
from router_core.deployment import APPCONFIG, APPCONFIG_PROFILE, resource_name

SCHEMA = Path(__file__).resolve().parents[3] / "router_core" / "data" / "jobs-tuning.schema.json"
FIRST = '{"schema":"tierwise.jobs/1"}'
"""Changes nothing. A text that never changes, so that a deployment does not undo what operators rolled out."""


class JobTuning(Construct):
    """`name`: as the product's setting wants it."""

    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, alarms: Sequence[cw.Alarm]
    ) -> None:
        super().__init__(scope, id)
        application = appconfig.CfnApplication(
            self, "Application", name=resource_name(environment.name, APPCONFIG)
        )
        place = self._place(application, environment, alarms)
        profile = appconfig.CfnConfigurationProfile(
            self,
            "Profile",
            application_id=application.ref,
            name=APPCONFIG_PROFILE,
            location_uri="hosted",
            type="AWS.Freeform",
            validators=[
                appconfig.CfnConfigurationProfile.ValidatorsProperty(
                    type="JSON_SCHEMA", content=SCHEMA.read_text()
                )
            ],
        )
        first = appconfig.CfnHostedConfigurationVersion(
            self,
            "First",
            application_id=application.ref,
            configuration_profile_id=profile.ref,
            content=FIRST,
            content_type="application/json",
        )
        appconfig.CfnDeployment(
            self,
            "RollOut",
            application_id=application.ref,
            environment_id=place.ref,
            configuration_profile_id=profile.ref,
            configuration_version=first.ref,
            deployment_strategy_id=self._strategy(environment).ref,
        )
        self.name = f"{application.name}/{place.name}/{profile.name}"

    def _place(
        self,
        application: appconfig.CfnApplication,
        environment: Environment,
        alarms: Sequence[cw.Alarm],
    ) -> appconfig.CfnEnvironment:
        role = self._watcher()
        return appconfig.CfnEnvironment(
            self,
            "Environment",
            application_id=application.ref,
            name=environment.name,
            monitors=[
                appconfig.CfnEnvironment.MonitorsProperty(
                    alarm_arn=alarm.alarm_arn, alarm_role_arn=role.role_arn
                )
                for alarm in alarms
            ],
        )

    def _strategy(self, environment: Environment) -> appconfig.CfnDeploymentStrategy:
        minutes = environment.upper.jobs.roll_out_min
        return appconfig.CfnDeploymentStrategy(
            self,
            "Strategy",
            name=resource_name(environment.name, "jobs"),
            deployment_duration_in_minutes=minutes,
            final_bake_time_in_minutes=minutes,
            growth_factor=25,
            growth_type="LINEAR",
            replicate_to="NONE",
        )

    def _watcher(self) -> iam.Role:
        role = iam.Role(self, "Watcher", assumed_by=iam.ServicePrincipal("appconfig.amazonaws.com"))
        role.add_to_policy(iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=["*"]))
        acknowledge(role, "IAM5[Resource::*]", "The action has no resource that a policy could name.")
        return role
