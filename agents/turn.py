"""One request on its way through the pipeline, and the responses it can end in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from agents.attempts import Job, Ledger, served_by
from router_core.context import RequestContext
from router_core.decision import RoutingDecision
from router_core.execution import NO_USAGE, Execution, Output, Served, Usage
from router_core.inference import InferenceRequest, InferenceResponse, Plan, Timings
from router_core.record import dataclass
from router_core.resources import TargetSpec
from router_core.routing.constraints import RESTRICTED
from router_core.routing.objective import InFlight
from router_core.routing.table import TargetTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A decided request. Times are monotonic seconds: received, context read, snapshot taken, decided."""

    request: InferenceRequest
    context: RequestContext
    decision: RoutingDecision
    table: TargetTable
    inflight: InFlight
    spec: TargetSpec
    marks_s: tuple[float, float, float, float]

    @property
    def decision_s(self) -> float:
        """Seconds from receipt to decision: signals, snapshot and choice."""
        return self.marks_s[3] - self.marks_s[0]

    @property
    def on_device(self) -> bool:
        """The caller's device can and will run the chosen model itself."""
        return (
            self.spec.tier == "device"
            and self.context.executes
            and self.spec.model in self.context.device_models
        )

    def job(
        self,
        specs: Mapping[str, TargetSpec],
        executing_s: float,
        *,
        cache: str,
        ledger: Ledger | None = None,
    ) -> Job:
        """The request as the executor takes it; `ledger` holds attempts that were made before."""
        return Job(
            request=self.request,
            context=self.context,
            decision=self.decision,
            specs=specs,
            policy=self.table.policy,
            started_s=self.marks_s[0],
            executing_s=executing_s,
            cache=cache,
            ledger=ledger or Ledger(),
            table=self.table,
        )

    def timings(self, now: float, execution_ms: float = 0.0) -> Timings:
        start, read, seen, decided = self.marks_s
        return Timings(
            context_ms=(read - start) * 1000.0,
            resource_ms=(seen - read) * 1000.0,
            decision_ms=(decided - seen) * 1000.0,
            execution_ms=execution_ms,
            total_ms=(now - start) * 1000.0,
        )

    def explained(self, now: float) -> InferenceResponse:
        """The decision alone."""
        return self._response("completed", now, served=served_by(self.spec))

    def planned(self, now: float, deadline_ms: float) -> InferenceResponse:
        """What the device should run."""
        params = self.request.params
        given = {"max_tokens": params.max_tokens, "temperature": params.temperature}
        plan = Plan(
            model=self.spec.model,
            params={name: value for name, value in given.items() if value is not None},
            deadline_ms=deadline_ms,
            fallback=self.decision.fallbacks,
        )
        response = self._response("execute_on_device", now, served=served_by(self.spec))
        return replace(response, stage="INFERENCE", plan=plan)

    def cached(self, now: float, output: Output, usage: Usage) -> InferenceResponse:
        """An answer given before: no cost, no energy, the tokens it once took."""
        decision = replace(self.decision, decided_by="cache")
        response = self._response("completed", now, served=served_by(self.spec), cache="hit")
        return replace(response, decision=decision, output=output, usage=usage)

    def completed(self, now: float, execution: Execution, cache: str) -> InferenceResponse:
        return InferenceResponse(
            request_id=self.request.request_id,
            status="completed",
            stage="COMPLETED",
            output=execution.output,
            usage=execution.usage,
            decision=self.decision,
            served=execution.served,
            attempts=execution.attempts,
            timings=self.timings(now, execution.execution_ms),
            cost_usd=execution.cost_usd,
            energy_j=execution.energy_j,
            cache=cache,
            handoff=execution.handoff,
            restricted=self.context.privacy >= RESTRICTED,
        )

    def _response(
        self, status: str, now: float, *, served: Served, cache: str = "bypass"
    ) -> InferenceResponse:
        return InferenceResponse(
            request_id=self.request.request_id,
            status=status,
            stage="COMPLETED",
            output=None,
            usage=NO_USAGE,
            decision=self.decision,
            served=served,
            attempts=(),
            timings=self.timings(now),
            cost_usd=0.0,
            energy_j=0.0,
            cache=cache,
        )
