"""Names of stacks and addresses (ARNs) of things that another stack owns.

An address made from a name is no export: the owner can be changed and deployed without its readers.
"""

from __future__ import annotations

from aws_cdk import Environment as Place

from infra.environments import Environment
from router_core.deployment import resource_name


def stack_name(environment: Environment, what: str) -> str:
    return resource_name(environment.name, what)


def place(environment: Environment) -> Place:
    """Account and region in the CDK's terms."""
    return Place(account=environment.account, region=environment.region)


def arn(environment: Environment, service: str, resource: str) -> str:
    """`arn(prod, "kinesis", "stream/tierwise-prod-events")`"""
    return f"arn:aws:{service}:{environment.region}:{environment.account}:{resource}"


def bucket_name(environment: Environment, what: str) -> str:
    """Bucket names are shared by all accounts of the world, so account and region make ours our own."""
    return f"{resource_name(environment.name, what)}-{environment.account}-{environment.region}"
