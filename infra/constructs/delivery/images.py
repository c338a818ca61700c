"""Where images are kept: a repository each, scanned when pushed, whose tags never move, and whose old images leave."""

from __future__ import annotations

from typing import Final

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from constructs import Construct

REPOSITORIES: Final = ("gateway", "vllm")
_PULL: Final = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


class Images(Construct):
    """`tierwise-gateway` and `tierwise-vllm`, readable by the accounts that run them."""

    def __init__(self, scope: Construct, id: str, *, kept: int, accounts: tuple[str, ...]) -> None:
        super().__init__(scope, id)
        self.by_name = {name: self._repository(name, kept) for name in REPOSITORIES}
        for repository in self.by_name.values():
            repository.add_to_resource_policy(
                iam.PolicyStatement(
                    actions=list(_PULL),
                    principals=[iam.AccountPrincipal(account) for account in accounts],
                )
            )

    def _repository(self, name: str, kept: int) -> ecr.Repository:
        return ecr.Repository(
            self,
            name.title(),
            repository_name=f"tierwise-{name}",
            encryption=ecr.RepositoryEncryption.KMS,
            image_scan_on_push=True,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            lifecycle_rules=[ecr.LifecycleRule(max_image_count=kept, description="old images leave")],
            removal_policy=RemovalPolicy.RETAIN,
        )
