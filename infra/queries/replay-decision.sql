-- One decision (request id, day) with the state and the policy it was made from, for a replay
SELECT d.request_id, d."time", d.tenant, d.features, d.inflight, d.chosen, d.scores, d.rejected, d.propensity,
       d.policy_sha256, d.state_sha256, s.targets AS state, p.document AS policy
FROM decision d
LEFT JOIN state s ON s.sha256 = d.state_sha256
LEFT JOIN policy p ON p.sha256 = d.policy_sha256
WHERE d.request_id = ? AND d.day = ?
LIMIT 1
