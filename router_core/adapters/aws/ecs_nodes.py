"""The nodes of one model as an ECS service: its desired count deploys, scales and retires it.

The service's task fetches the model from the models bucket and proves it before it serves (`deploy/vllm`), so raising the
count is all that a deployment takes. The service and its task belong to the templates; nothing else of them is changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from router_core.adapters.aws.client import COMMON_FAULTS, AwsThreads, Faults, store_errors
from router_core.errors import StoreError
from router_core.ports import Standing

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient

FAULTS: Final[Faults] = {
    **COMMON_FAULTS,
    "ServerException": (StoreError, "failed by itself"),
    "ClientException": (StoreError, "does not accept such a request"),
    "InvalidParameterException": (StoreError, "does not accept such a request"),
    "ClusterNotFoundException": (StoreError, "has no such cluster"),
    "ServiceNotFoundException": (StoreError, "has no such service"),
    "ServiceNotActiveException": (StoreError, "has no such service any more"),
    "PlatformUnknownException": (StoreError, "does not accept such a request"),
    "PlatformTaskDefinitionIncompatibilityException": (StoreError, "does not accept such a request"),
    "NamespaceNotFoundException": (StoreError, "does not accept such a request"),
    "UnsupportedFeatureException": (StoreError, "does not accept such a request"),
}


class EcsNodes:
    """`NodeFleet` over one service."""

    def __init__(self, client: ECSClient, cluster: str, service: str, *, threads: AwsThreads) -> None:
        self._client, self._cluster, self._service = client, cluster, service
        self._threads = threads

    async def standing(self) -> Standing:
        """Tasks wanted and tasks running. A task that runs may still be loading its model; its health page tells."""
        return await self._threads.run(self._standing)

    async def want(self, count: int) -> None:
        """Set the desired count."""
        await self._threads.run(self._want, count)

    def _standing(self) -> Standing:
        with store_errors("ECS", FAULTS):
            answer = self._client.describe_services(cluster=self._cluster, services=[self._service])
        found = [service for service in answer.get("services", ()) if service.get("status") == "ACTIVE"]
        if not found:
            raise StoreError("ECS has no such service")
        return Standing(wanted=found[0].get("desiredCount", 0), running=found[0].get("runningCount", 0))

    def _want(self, count: int) -> None:
        with store_errors("ECS", FAULTS):
            self._client.update_service(cluster=self._cluster, service=self._service, desiredCount=count)
