"""Athena's view of the lake: a table per kind of record, and a workgroup that bounds what a query may read.

Athena computes which days exist (partition projection) instead of being told. A query that names no day reads all of
them, up to the workgroup's limit; one day is one folder per kind.
"""

from __future__ import annotations

from typing import Final

from aws_cdk import aws_athena as athena
from aws_cdk import aws_glue as glue
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.constructs.lake_queries import questions
from infra.constructs.lake_schema import PREFIX, TABLES
from infra.environments import Environment
from infra.naming import bucket_name
from router_core.deployment import LAKE_BUCKET, resource_name

FIRST_DAY: Final = "2026-11-01"
_MEGABYTE: Final = 1_000_000


class LakeTables(Construct):
    """Database `tierwise_ENV` and workgroup `tierwise-ENV-operators`."""

    def __init__(self, scope: Construct, id: str, *, environment: Environment, key: kms.IKey) -> None:
        super().__init__(scope, id)
        self._environment = environment
        self._bucket = f"s3://{bucket_name(environment, LAKE_BUCKET)}"
        self._name = f"tierwise_{environment.name}"
        database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=environment.account,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=self._name, description=f"Records of {environment.name}"
            ),
        )
        for kind, columns in TABLES.items():
            self._table(kind, columns).add_resource_dependency(database)
        self._questions(self._workgroup(key))

    def _table(self, kind: str, columns: dict[str, str]) -> glue.CfnTable:
        column = glue.CfnTable.ColumnProperty
        folder = f"{self._bucket}/{PREFIX}kind={kind}/"
        return glue.CfnTable(
            self,
            f"Table-{kind}",
            catalog_id=self._environment.account,
            database_name=self._name,
            table_input=glue.CfnTable.TableInputProperty(
                name=kind,
                table_type="EXTERNAL_TABLE",
                parameters={
                    "classification": "json",
                    "projection.enabled": "true",
                    "projection.day.type": "date",
                    "projection.day.format": "yyyy-MM-dd",
                    "projection.day.range": f"{FIRST_DAY},NOW",
                    "storage.location.template": f"{folder}day=${{day}}/",
                },
                partition_keys=[column(name="day", type="string")],
                storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                    columns=[column(name=name, type=type_) for name, type_ in columns.items()],
                    location=folder,
                    input_format="org.apache.hadoop.mapred.TextInputFormat",
                    output_format="org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                    serde_info=glue.CfnTable.SerdeInfoProperty(
                        serialization_library="org.openx.data.jsonserde.JsonSerDe",
                        parameters={"ignore.malformed.json": "true"},
                    ),
                ),
            ),
        )

    def _workgroup(self, key: kms.IKey) -> athena.CfnWorkGroup:
        parts = athena.CfnWorkGroup
        return athena.CfnWorkGroup(
            self,
            "Workgroup",
            name=resource_name(self._environment.name, "operators"),
            recursive_delete_option=not self._environment.keeps_data,
            work_group_configuration=parts.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=self._environment.upper.stream.query_limit_mb * _MEGABYTE,
                result_configuration=parts.ResultConfigurationProperty(
                    output_location=f"{self._bucket}/athena/",
                    encryption_configuration=parts.EncryptionConfigurationProperty(
                        encryption_option="SSE_KMS", kms_key=key.key_arn
                    ),
                ),
            ),
        )

    def _questions(self, group: athena.CfnWorkGroup) -> None:
        for question in questions():
            athena.CfnNamedQuery(
                self,
                f"Query-{question.name}",
                name=question.name,
                description=question.description,
                database=self._name,
                query_string=question.sql,
                work_group=group.name,
            ).add_resource_dependency(group)
