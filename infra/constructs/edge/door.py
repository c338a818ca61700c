"""The gateway's door: a load balancer with TLS, two groups of tasks (blue and green), and the rule that ECS moves.

A release starts in the idle group; ECS points the rule at it when its tasks are ready, watches the alarms while it
bakes, and points back when one goes off. Without a certificate the door is internal and plain.
"""

from __future__ import annotations

from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cw
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.constructs.vpc import PRIVATE, PUBLIC, Vpc
from infra.environments import Environment
from infra.validation import acknowledge
from router_core.deployment import resource_name

PORT: Final = 8080
IDLE_S: Final = 120
"""How long a silent connection stays: above the longest pause of a target. The gateway keeps its side open longer."""
READY: Final = "/health/readiness"


class Door(Construct):
    """`rule`, `blue` and `green` for the service; `failing` goes off when the tasks answer 5xx."""

    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, network: Vpc, access_logs: s3.IBucket
    ) -> None:
        super().__init__(scope, id)
        size = environment.upper.gateway
        self._environment = environment
        self.port = 443 if size.certificate_arn else 80
        self.balancer = elb.ApplicationLoadBalancer(
            self,
            "Balancer",
            load_balancer_name=resource_name(environment.name, "gateway"),
            vpc=network.vpc,
            internet_facing=size.public,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name=PUBLIC if size.public else PRIVATE),
            security_group=self._group(network),
            idle_timeout=Duration.seconds(IDLE_S),
            drop_invalid_header_fields=True,
            deletion_protection=environment.keeps_data,
        )
        self.balancer.log_access_logs(access_logs, "gateway")
        self.blue, self.green = self._tasks("Blue", network), self._tasks("Green", network)
        self.rule = self._rule()
        self.failing = self._failing()

    def _group(self, network: Vpc) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self, "Group", vpc=network.vpc, description="Who may knock", allow_all_outbound=False
        )
        if self._environment.upper.gateway.public:
            group.add_ingress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(self.port), "Callers anywhere, over TLS")
            acknowledge(
                group, "EC23", "The gateway is meant to be called; firewall, TLS and keys stand there."
            )
        else:
            inside = ec2.Peer.ipv4(self._environment.network.cidr)
            group.add_ingress_rule(inside, ec2.Port.tcp(self.port), "Callers in this network")
        group.add_egress_rule(network.gateways, ec2.Port.tcp(PORT), "To the gateway's tasks")
        # Said here rather than at the group itself, whose stack would then depend on this one.
        ec2.CfnSecurityGroupIngress(
            self,
            "Knock",
            group_id=network.gateways.security_group_id,
            source_security_group_id=group.security_group_id,
            ip_protocol="tcp",
            from_port=PORT,
            to_port=PORT,
            description="From the load balancer",
        )
        return group

    def _tasks(self, id: str, network: Vpc) -> elb.ApplicationTargetGroup:
        return elb.ApplicationTargetGroup(
            self,
            id,
            target_group_name=resource_name(self._environment.name, id.lower()),
            vpc=network.vpc,
            port=PORT,
            protocol=elb.ApplicationProtocol.HTTP,
            target_type=elb.TargetType.IP,
            load_balancing_algorithm_type=elb.TargetGroupLoadBalancingAlgorithmType.LEAST_OUTSTANDING_REQUESTS,
            deregistration_delay=Duration.seconds(self._environment.upper.gateway.drain_s),
            health_check=elb.HealthCheck(
                path=READY,
                interval=Duration.seconds(10),
                timeout=Duration.seconds(5),
                healthy_threshold_count=2,
                unhealthy_threshold_count=2,
            ),
        )

    def _rule(self) -> elb.ApplicationListenerRule:
        certificate = self._environment.upper.gateway.certificate_arn
        listener = self.balancer.add_listener(
            "Listener",
            port=self.port,
            protocol=elb.ApplicationProtocol.HTTPS if certificate else elb.ApplicationProtocol.HTTP,
            certificates=[elb.ListenerCertificate.from_arn(certificate)] if certificate else None,
            ssl_policy=elb.SslPolicy.RECOMMENDED_TLS if certificate else None,
            open=False,
            default_action=elb.ListenerAction.fixed_response(404),
        )
        return elb.ApplicationListenerRule(
            self,
            "Rule",
            listener=listener,
            priority=1,
            conditions=[elb.ListenerCondition.path_patterns(["/*"])],
            action=elb.ListenerAction.weighted_forward([
                elb.WeightedTargetGroup(target_group=self.blue, weight=100),
                elb.WeightedTargetGroup(target_group=self.green, weight=0),
            ]),
        )  # fmt: skip

    def _failing(self) -> cw.Alarm:
        return cw.Alarm(
            self,
            "Failing",
            alarm_name=resource_name(self._environment.name, "gateway-5xx"),
            alarm_description="The gateway's tasks answer 5xx.",
            metric=self.balancer.metrics.http_code_target(
                elb.HttpCodeTarget.TARGET_5XX_COUNT, statistic="Sum", period=Duration.minutes(1)
            ),
            threshold=10,
            evaluation_periods=3,
            datapoints_to_alarm=2,
            comparison_operator=cw.ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=cw.TreatMissingData.NOT_BREACHING,
        )
