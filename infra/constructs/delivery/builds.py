"""The pipeline's steps as build projects: test, image, deploy. Each runs a file of `deploy/` and may do only its step.

Deploying is assuming the roles that `cdk bootstrap` made in the environment's account; a step that tests cannot.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

from aws_cdk import CfnElement, Duration, RemovalPolicy, Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs.retention import log_days
from infra.environments import Environment
from infra.naming import arn
from infra.validation import acknowledge
from router_core.deployment import resource_name

BOOTSTRAP: Final = "hnb659fds"
_ROLES: Final = ("deploy-role", "file-publishing-role", "image-publishing-role", "lookup-role")
_PUSH: Final = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:DescribeImages",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)


class Builds(Construct):
    """`test`, `image`, and `deploys` of an environment."""

    def __init__(self, scope: Construct, id: str, *, environment: Environment, key: kms.IKey) -> None:
        super().__init__(scope, id)
        self._environment, self._key = environment, key
        self._log = logs.LogGroup(
            self,
            "Log",
            log_group_name=f"/{resource_name(environment.name, 'pipeline')}",
            retention=log_days(environment),
            removal_policy=RemovalPolicy.DESTROY,
        )

    def test(self) -> codebuild.PipelineProject:
        """Everything that `make test` judges."""
        return self._project("test", minutes=45)

    def image(self, name: str, repository: ecr.IRepository, *, arm: bool) -> codebuild.PipelineProject:
        """Build, push and name one image."""
        project = self._project(f"image-{name}", file="buildspec-image.yml", docker=True, arm=arm, minutes=60)
        _allow(project, ("ecr:GetAuthorizationToken",), ("*",))
        acknowledge(project, "IAM5[Resource::*]", "Logging in to a registry has no resource.")
        acknowledge(
            project, "CB3", "An image cannot be built without; this step may push images and no more."
        )
        _allow(project, _PUSH, (repository.repository_arn,))
        return project

    def deploys(self, target: Environment) -> codebuild.PipelineProject:
        """`cdk deploy` of one environment."""
        project = self._project(f"deploy-{target.name}", file="buildspec-deploy.yml", minutes=120)
        roles = [
            f"arn:aws:iam::{target.account}:role/cdk-{BOOTSTRAP}-{role}-{target.account}-{target.region}"
            for role in _ROLES
        ]
        _allow(project, ("sts:AssumeRole",), roles)
        return project

    def _project(
        self, name: str, *, file: str = "buildspec.yml", docker: bool = False, arm: bool = True, minutes: int
    ) -> codebuild.PipelineProject:
        image: codebuild.IBuildImage = codebuild.LinuxBuildImage.AMAZON_LINUX_2023_6
        if arm:
            image = codebuild.LinuxArmBuildImage.AMAZON_LINUX_2023_STANDARD_4_0
        project = codebuild.PipelineProject(
            self,
            name,
            project_name=resource_name(self._environment.name, name),
            build_spec=codebuild.BuildSpec.from_source_filename(f"deploy/{file}"),
            environment=codebuild.BuildEnvironment(
                build_image=image, compute_type=codebuild.ComputeType.MEDIUM, privileged=docker
            ),
            encryption_key=self._key,
            logging=codebuild.LoggingOptions(
                cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=self._log)
            ),
            timeout=Duration.minutes(minutes),
            grant_report_group_permissions=False,
        )
        own = Stack.of(self).get_logical_id(cast(CfnElement, project.node.default_child))
        group = arn(self._environment, "logs", f"log-group:/aws/codebuild/<{own}>:*")
        acknowledge(project, f"IAM5[Resource::{group}]", "CodeBuild names a stream per build.")
        return project


def _allow(project: codebuild.PipelineProject, actions: Iterable[str], resources: Iterable[str]) -> None:
    project.add_to_role_policy(iam.PolicyStatement(actions=list(actions), resources=list(resources)))
