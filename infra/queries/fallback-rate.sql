-- How often the first choice failed and another target answered, by tier and target, in the last week
WITH outcomes AS (
  SELECT request_id, max_by(tier, "time") AS tier, max_by(target, "time") AS target,
         max_by(status, "time") AS status, max_by(latency_ms, "time") AS latency_ms,
         max(cardinality(attempts)) AS attempts
  FROM outcome
  WHERE day >= date_format(current_date - interval '7' day, '%Y-%m-%d')
  GROUP BY request_id
)
SELECT tier, target, count(*) AS requests, avg(if(attempts > 1, 1.0, 0.0)) AS fallback_rate,
       avg(if(status = 'failed', 1.0, 0.0)) AS failure_rate, approx_percentile(latency_ms, 0.99) AS p99_ms
FROM outcomes
GROUP BY tier, target
ORDER BY fallback_rate DESC
