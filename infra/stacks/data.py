"""What is kept: the key, the tables and the buckets."""

from __future__ import annotations

from aws_cdk import Stack
from constructs import Construct

from infra.constructs.buckets import Buckets
from infra.constructs.encryption import customer_key
from infra.constructs.tables import Tables
from infra.environments import Environment
from infra.naming import place, stack_name


class DataStack(Stack):
    def __init__(self, scope: Construct, environment: Environment) -> None:
        super().__init__(scope, stack_name(environment, "data"), env=place(environment))
        self.key = customer_key(self, "Key", environment)
        self.tables = Tables(self, "Tables", environment, self.key)
        self.buckets = Buckets(self, "Buckets", environment, self.key)
