"""Which container images a service runs: a pushed one (`-c image=`, `-c node_image=`), or one built by the deployment.

The pipeline pushes an image once and names it for every environment, so that what was tested is what runs. Without a
name the CDK builds from the checkout when it deploys, which needs Docker there. With `-c bundle=sources`, for an AWS
on this machine that runs no containers, nothing is built.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from aws_cdk import IgnoreMode
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecr_assets as assets
from aws_cdk import aws_ecs as ecs
from constructs import Construct

ROOT: Final = Path(__file__).resolve().parents[3]
_PUSHED: Final = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<name>[a-z0-9/_-]+):(?P<tag>[\w.-]+)"
)
_GATEWAY_FILES: Final = (
    "*",
    "!pyproject.toml",
    "!README.md",
    "!LICENSE",
    "!NOTICE",
    "!requirements",
    "!router_core",
    "!agents",
    "!edge_runtime",
    "!gateway",
    "!deploy",
    "**/__pycache__",
)


def gateway_image(scope: Construct) -> ecs.ContainerImage:
    """The gateway's image, for arm64."""
    pushed = _pushed(scope, "image")
    if pushed is not None or not _builds(scope):
        return pushed or ecs.ContainerImage.from_registry("tierwise-gateway:local")
    return ecs.ContainerImage.from_docker_image_asset(
        assets.DockerImageAsset(
            scope,
            "Image",
            directory=str(ROOT),
            file="deploy/Dockerfile",
            platform=assets.Platform.LINUX_ARM64,
            exclude=list(_GATEWAY_FILES),
            ignore_mode=IgnoreMode.DOCKER,
        )
    )


def node_image(scope: Construct) -> ecs.ContainerImage:
    """The model server's image, for x86-64 as GPU machines are."""
    pushed = _pushed(scope, "node_image")
    if pushed is not None or not _builds(scope):
        return pushed or ecs.ContainerImage.from_registry("tierwise-vllm:local")
    return ecs.ContainerImage.from_docker_image_asset(
        assets.DockerImageAsset(
            scope,
            "Image",
            directory=str(ROOT / "deploy" / "vllm"),
            platform=assets.Platform.LINUX_AMD64,
            exclude=["**/__pycache__"],
        )
    )


def _pushed(scope: Construct, context: str) -> ecs.ContainerImage | None:
    name = scope.node.try_get_context(context)
    if not name:
        return None
    found = _PUSHED.fullmatch(str(name))
    if found is None:
        raise ValueError(f"-c {context}=: ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG is wanted")
    repository = ecr.Repository.from_repository_attributes(
        scope,
        "Repository",
        repository_arn=f"arn:aws:ecr:{found['region']}:{found['account']}:repository/{found['name']}",
        repository_name=found["name"],
    )
    return ecs.ContainerImage.from_ecr_repository(repository, found["tag"])


def _builds(scope: Construct) -> bool:
    return (scope.node.try_get_context("bundle") or "full") == "full"
