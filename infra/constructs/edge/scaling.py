"""How many gateways there are: enough that neither processors nor requests pile up.

Requests are counted at the load balancer and divided by the running tasks, because the group of tasks that is in use
changes with every release, and a count per group would then read zero.
"""

from __future__ import annotations

from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elb
from constructs import Construct

from infra.environments import Environment
from router_core.deployment import resource_name

_Policy = scaling.CfnScalingPolicy


class Scaling(Construct):
    """Two policies on the service; the one that wants more tasks wins."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: Environment,
        service: ecs.FargateService,
        balancer: elb.ApplicationLoadBalancer,
    ) -> None:
        super().__init__(scope, id)
        size = environment.upper.gateway
        cluster = resource_name(environment.name, "edge")
        name = resource_name(environment.name, "gateway")
        self._target = scaling.CfnScalableTarget(
            self,
            "Tasks",
            service_namespace="ecs",
            scalable_dimension="ecs:service:DesiredCount",
            resource_id=f"service/{cluster}/{name}",
            min_capacity=size.min_tasks,
            max_capacity=size.max_tasks,
        )
        self._target.node.add_dependency(service)
        cpu = _Policy.PredefinedMetricSpecificationProperty(
            predefined_metric_type="ECSServiceAverageCPUUtilization"
        )
        self._track("cpu", size.cpu_percent, predefined_metric_specification=cpu)
        requests = _Policy.CustomizedMetricSpecificationProperty(
            metrics=_requests_per_task(balancer.load_balancer_full_name, cluster, name)
        )
        self._track("requests", size.requests_per_target_min, customized_metric_specification=requests)

    def _track(self, name: str, value: float, **metric: object) -> None:
        _Policy(
            self,
            name,
            policy_name=name,
            policy_type="TargetTrackingScaling",
            scaling_target_id=self._target.attr_id,
            target_tracking_scaling_policy_configuration=_Policy.TargetTrackingScalingPolicyConfigurationProperty(
                target_value=value,
                scale_out_cooldown=60,
                scale_in_cooldown=300,
                **metric,  # type: ignore[arg-type]  # one of the two forms of a metric
            ),
        )


def _requests_per_task(
    balancer: str, cluster: str, service: str
) -> list[_Policy.TargetTrackingMetricDataQueryProperty]:
    query = _Policy.TargetTrackingMetricDataQueryProperty

    def read(
        id: str, namespace: str, metric: str, statistic: str, **dimensions: str
    ) -> _Policy.TargetTrackingMetricDataQueryProperty:
        dimension = _Policy.TargetTrackingMetricDimensionProperty
        return query(
            id=id,
            return_data=False,
            metric_stat=_Policy.TargetTrackingMetricStatProperty(
                stat=statistic,
                metric=_Policy.TargetTrackingMetricProperty(
                    namespace=namespace,
                    metric_name=metric,
                    dimensions=[dimension(name=name, value=value) for name, value in dimensions.items()],
                ),
            ),
        )

    return [
        read("requests", "AWS/ApplicationELB", "RequestCount", "Sum", LoadBalancer=balancer),
        read(
            "tasks",
            "ECS/ContainerInsights",
            "RunningTaskCount",
            "Average",
            ClusterName=cluster,
            ServiceName=service,
        ),
        query(id="each", expression="requests / tasks", return_data=True),
    ]
