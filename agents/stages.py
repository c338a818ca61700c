"""The stages of `router_core.stages` as steps that may run on different machines, each from the agents of the pipeline.

A stage takes one JSON payload, adds its own key and gives the payload on; nothing else travels. With `pack` and
`unpack` of `agents.payload`, every value is either there or `{"by_reference": sha256, ...}` (see there).

    request    written by whoever starts the workflow: the validated request with the caller that authentication found
    context    {features, policy: {sha256, document}, started_s, read_s}
    resources  {state, inflight, seen_s}: `router` decides on exactly this state and on the policy in `context`
    decision   the fields of `RoutingDecision`, and decided_s
    lookup     {hit, cache, key, output, usage}; `hit` is true when there is nothing to execute: a stored answer, or a plan
               that the caller's device runs for itself
    execution  the fields of `Execution`
    answer     {status, ...}: what the caller is told; `status` is completed | execute_on_device | failed
    caught     {Error, Cause} as Step Functions writes it, where a stage failed

Seconds are wall time, because machines share no other clock; all stages and legs count one deadline from `started_s`.

What the state machine does (every stage is one Task; its output replaces the whole state):
- Order: `STAGES`. After `cache` a Choice on `$.lookup.hit`: true goes to `monitor` and passes the stages over that are
  `skipped_on_hit`.
- Retry, on every Task, only what never reached our code, and storage: `Lambda.ServiceException`,
  `Lambda.AWSLambdaException`, `Lambda.SdkClientException`, `Lambda.TooManyRequestsException`, `StoreError`; `retries`
  times with back-off. Never `States.ALL`, `States.TaskFailed` or `States.Timeout`: a tier would be asked twice.
- Catch on a stage that `falls_back` (execute): `TargetFailedError`, ResultPath `$.caught`, Next the same stage: one run
  is one leg, one attempt at one target, and the failed attempts travel in `$.caught.Cause`. The next leg asks the next
  target of the decision, or the same one again where its failure may pass, in the order of the one-process path, and
  says `AllTargetsFailedError` or `DeadlineError` itself when nothing is left: the state machine need not count.
- Catch on every stage but the last, after that: `States.ALL`, ResultPath `$.caught`, Next `monitor`, which records the
  failure and answers with its problem (`NoPermittedTargetError`, `NoCapacityError`, `AllTargetsFailedError`,
  `DeadlineError`, or an internal error).
- After `monitor` a Choice on `$.answer.status`: `failed` goes to a Fail state, all else succeeds.
- The state holds what callers wrote: log without execution data, encrypt, and keep `TimeoutSeconds` from the table.
"""
