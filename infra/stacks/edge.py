"""Where requests with streams go, and where models run that are ours: the gateway's service and the model nodes."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_kms as kms
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from infra.constructs.alarms import RELEASE, alarm_name
from infra.constructs.alert_topic import alert_topic
from infra.constructs.api.firewall import Firewall
from infra.constructs.edge.door import Door
from infra.constructs.edge.gateway_service import GatewayService
from infra.constructs.edge.node_machines import NodeMachines
from infra.constructs.edge.node_service import NodeServices
from infra.constructs.edge.operated import operating
from infra.constructs.edge.scaling import Scaling
from infra.constructs.functions.grants import grants
from infra.constructs.functions.settings import function_variables
from infra.constructs.judge.permissions import storing
from infra.environments import Environment
from infra.naming import place, stack_name
from infra.stacks.cache import CacheStack
from infra.stacks.data import DataStack
from infra.stacks.network import NetworkStack
from router_core.deployment import resource_name

ACCEPTING = {"TIERWISE_JOBS__WORKERS": "0", "TIERWISE_JOBS__CA_FILE": "/opt/tierwise/rds-ca.pem"}
"""A gateway accepts asynchronous requests; workers run them."""


class EdgeStack(Stack):
    """Its release alarms are the observability stack's, by name: that stack comes first."""

    def __init__(
        self,
        scope: Construct,
        environment: Environment,
        *,
        network: NetworkStack,
        data: DataStack,
        cache: CacheStack,
        firewall: Firewall,
    ) -> None:
        super().__init__(scope, stack_name(environment, "edge"), env=place(environment))
        topic = alert_topic(self, "Alerts", environment)
        cluster = ecs.Cluster(
            self,
            "Cluster",
            cluster_name=resource_name(environment.name, "edge"),
            vpc=network.vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
        )
        logs, vpc = data.buckets.access_logs, network.network
        door = Door(self, "Door", environment=environment, network=vpc, access_logs=logs)
        waf.CfnWebACLAssociation(
            self, "Firewall", resource_arn=door.balancer.load_balancer_arn, web_acl_arn=firewall.acl.attr_arn
        )
        door.failing.add_alarm_action(actions.SnsAction(topic))
        gateway = GatewayService(self, "Gateway", environment=environment, cluster=cluster, network=vpc)
        service = gateway.run(
            door,
            variables={**function_variables(environment, cache.redis), **ACCEPTING},
            grants=(
                *grants(environment, data.key.key_arn)["api"],
                *operating(environment),
                *storing(environment),
            ),
            alarms=[alarm_name(environment.name, name) for name in RELEASE],
        )
        Scaling(self, "Scaling", environment=environment, service=service, balancer=door.balancer)
        size = environment.upper.gpu
        if size.models:
            machines = NodeMachines(
                self, "Machines", environment=environment, cluster=cluster, network=vpc, topic=topic
            )
            # By its address: what is granted here is said here, not in the key's own stack.
            key = kms.Key.from_key_arn(self, "DataKey", data.key.key_arn)
            nodes = NodeServices(
                self, "Nodes", environment=environment, cluster=cluster, network=vpc, key=key
            )
            for model in size.models:
                nodes.serve(model, machines)
