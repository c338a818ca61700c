"""From a commit to every environment: source, tests, images once, then each environment in turn.

The same image goes everywhere. After an environment was deployed its release alarm is watched: when it goes off within
the time, the pipeline fails the stage and rolls it back to what was there. Those that need it wait for a person first.
"""

from __future__ import annotations

from typing import Final, cast

from aws_cdk import CfnElement, Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_codepipeline_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.constructs.alarms import release_alarm_name
from infra.constructs.delivery.builds import Builds
from infra.constructs.delivery.images import Images
from infra.environments import ENVIRONMENTS, Environment
from infra.naming import arn
from infra.sizing import Delivery
from infra.validation import acknowledge
from router_core.deployment import resource_name

_TAG: Final = "#{Source.CommitId}"
_ARTIFACT_ACTIONS: Final = (
    "kms:GenerateDataKey",
    "kms:ReEncrypt",
    "s3:Abort",
    "s3:DeleteObject",
    "s3:GetBucket",
    "s3:GetObject",
    "s3:List",
)


class DeliveryPipeline(Construct):
    """Call `lay` once."""

    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, delivery: Delivery, key: kms.IKey
    ) -> None:
        super().__init__(scope, id)
        self._environment, self._delivery = environment, delivery
        self._source = codepipeline.Artifact("source")
        self._builds = Builds(self, "Builds", environment=environment, key=key)

    def lay(self, artifacts: s3.IBucket, images: Images, topic: sns.ITopic) -> codepipeline.Pipeline:
        """The pipeline with all its stages, in order."""
        pipeline = codepipeline.Pipeline(
            self,
            "Pipeline",
            pipeline_name=resource_name(self._environment.name, "delivery"),
            pipeline_type=codepipeline.PipelineType.V2,
            execution_mode=codepipeline.ExecutionMode.SUPERSEDED,
            artifact_bucket=artifacts,
        )
        pipeline.add_stage(stage_name="Source", actions=[self._checkout()])
        pipeline.add_stage(stage_name="Test", actions=[self._run("Test", self._builds.test())])
        pipeline.add_stage(stage_name="Images", actions=self._images(images))
        for name in self._delivery.environments:
            if name in self._delivery.approved:
                approval = actions.ManualApprovalAction(
                    action_name=f"Approve-{name}",
                    notification_topic=topic,
                    additional_information=f"Deploy this commit to {name}?",
                )
                pipeline.add_stage(stage_name=f"Approve-{name}", actions=[approval])
            self._deploy(pipeline, ENVIRONMENTS[name], images)
        self._excuse(artifacts)
        return pipeline

    def _excuse(self, artifacts: s3.IBucket) -> None:
        """What the CDK grants on the artifacts' bucket and key, and on nothing else."""
        bucket = Stack.of(self).get_logical_id(cast(CfnElement, artifacts.node.default_child))
        wildcards = [f"Action::{action}*" for action in _ARTIFACT_ACTIONS]
        for wildcard in (*wildcards, f"Resource::<{bucket}.Arn>/*"):
            acknowledge(
                self, f"IAM5[{wildcard}]", "Artifacts of the pipeline, in a bucket that holds no more."
            )

    def _deploy(self, pipeline: codepipeline.Pipeline, target: Environment, images: Images) -> None:
        variables = {"TARGET_ENV": target.name}
        for context, name in (("IMAGE", "gateway"), ("NODE_IMAGE", "vllm")):
            variables[context] = f"{images.by_name[name].repository_uri}:{_TAG}"
        deploy = self._run(f"Deploy-{target.name}", self._builds.deploys(target), **variables)
        here = target.account == self._environment.account
        pipeline.add_stage(
            stage_name=f"Deploy-{target.name}",
            actions=[deploy],
            on_failure=codepipeline.FailureConditions(result=codepipeline.Result.ROLLBACK),
            on_success=codepipeline.Conditions(conditions=[self._watch(target)]) if here else None,
        )

    def _watch(self, target: Environment) -> codepipeline.Condition:
        """The release alarm of an environment in the pipeline's own account: no other's can be read from here, and
        there the gateway's service goes back by itself."""
        role = iam.Role(self, "Watch", assumed_by=iam.ServicePrincipal("codepipeline.amazonaws.com"))
        alarm = release_alarm_name(target.name)
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["cloudwatch:DescribeAlarms"], resources=[arn(target, "cloudwatch", f"alarm:{alarm}")]
            )
        )
        rule = codepipeline.Rule(
            name="ReleaseAlarm",
            provider="CloudWatchAlarm",
            version="1",
            role=role,
            configuration={
                "AlarmName": alarm,
                "AlarmStates": "ALARM",
                "WaitTime": str(target.upper.gateway.bake_min),
            },
        )
        return codepipeline.Condition(result=codepipeline.Result.ROLLBACK, rules=[rule])

    def _checkout(self) -> actions.CodeStarConnectionsSourceAction:
        owner, repository = self._delivery.repository.split("/")
        return actions.CodeStarConnectionsSourceAction(
            action_name="Checkout",
            variables_namespace="Source",
            connection_arn=self._delivery.connection_arn,
            owner=owner,
            repo=repository,
            branch=self._delivery.branch,
            output=self._source,
        )

    def _images(self, images: Images) -> list[codepipeline.IAction]:
        """The gateway runs on arm64, model nodes on x86-64: each is built where it runs."""
        return [
            self._run(
                f"Image-{name}",
                self._builds.image(name, repository, arm=name == "gateway"),
                REPOSITORY=repository.repository_uri,
                TAG=_TAG,
                DOCKERFILE=dockerfile,
                CONTEXT=context,
            )
            for name, repository, dockerfile, context in (
                ("gateway", images.by_name["gateway"], "deploy/Dockerfile", "."),
                ("vllm", images.by_name["vllm"], "deploy/vllm/Dockerfile", "deploy/vllm"),
            )
        ]

    def _run(
        self, name: str, project: codebuild.PipelineProject, **variables: str
    ) -> actions.CodeBuildAction:
        return actions.CodeBuildAction(
            action_name=name,
            project=project,
            input=self._source,
            environment_variables={
                key: codebuild.BuildEnvironmentVariable(value=value) for key, value in variables.items()
            },
        )
