"""The history of asynchronous requests: PostgreSQL in the isolated subnets, where two groups alone reach it, over TLS alone.

Gateways and workers log in with tokens that AWS signs for their roles; the one password that exists is the administrator's,
generated and rotated in the account, for the statement that makes their user.
"""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from constructs import Construct

from infra.constructs.retention import removal
from infra.constructs.vpc import DATABASE_PORT, ISOLATED, Vpc
from infra.environments import Environment
from infra.validation import acknowledge
from router_core.deployment import JOBS, JOBS_DATABASE, JOBS_USER, resource_name

ADMINISTRATOR = "tierwise_admin"
_ENGINE = rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_17_6)
CERTIFICATES = rds.CaCertificate.RDS_CA_RSA2048_G1


class JobDatabase(Construct):
    """`url`, without a password: there is none to know."""

    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, network: Vpc, key: kms.IKey
    ) -> None:
        super().__init__(scope, id)
        size = environment.upper.jobs
        name = resource_name(environment.name, JOBS)
        self.instance = rds.DatabaseInstance(
            self,
            "Instance",
            instance_identifier=name,
            engine=_ENGINE,
            instance_type=ec2.InstanceType(size.database),
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name=ISOLATED),
            # By its address: its rules stand in the network's own stack.
            security_groups=[
                ec2.SecurityGroup.from_security_group_id(
                    self, "Group", network.database.security_group_id, mutable=False
                )
            ],
            port=DATABASE_PORT,
            database_name=JOBS_DATABASE,
            credentials=rds.Credentials.from_username(ADMINISTRATOR, encryption_key=key),
            manage_master_user_password=True,
            iam_authentication=True,
            ca_certificate=CERTIFICATES,
            storage_encrypted=True,
            storage_encryption_key=key,
            storage_type=rds.StorageType.GP3,
            allocated_storage=size.storage_gib,
            max_allocated_storage=4 * size.storage_gib,
            multi_az=size.multi_az,
            backup_retention=Duration.days(environment.retention.backups_days),
            copy_tags_to_snapshot=True,
            deletion_protection=environment.keeps_data,
            removal_policy=removal(environment),
            publicly_accessible=False,
            auto_minor_version_upgrade=True,
            parameter_group=self._parameters(),
            cloudwatch_logs_exports=["postgresql"],
            enable_performance_insights=size.multi_az,
            performance_insight_encryption_key=key if size.multi_az else None,
        )
        self._accept(environment)
        host = self.instance.db_instance_endpoint_address
        self.url = f"postgresql://{JOBS_USER}@{host}:{DATABASE_PORT}/{JOBS_DATABASE}"

    def _parameters(self) -> rds.ParameterGroup:
        return rds.ParameterGroup(
            self,
            "Parameters",
            engine=_ENGINE,
            description="TLS only; slow statements are written down, without their values",
            parameters={
                "rds.force_ssl": "1",
                "log_min_duration_statement": "1000",
                "log_parameter_max_length": "0",
            },
        )

    def _accept(self, environment: Environment) -> None:
        if not environment.upper.jobs.multi_az:
            acknowledge(
                self.instance, "RDS3", "One zone is what this environment pays for; backups bring it back."
            )
        if not environment.keeps_data:
            acknowledge(self.instance, "RDS10", "The environment is made to be deleted, its data with it.")
