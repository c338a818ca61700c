-- What each tier cost per day, in all and per request, in the last week
WITH outcomes AS (
  SELECT request_id, max_by(tier, "time") AS tier, max(cost_usd) AS cost_usd, max(day) AS day
  FROM outcome
  WHERE day >= date_format(current_date - interval '7' day, '%Y-%m-%d')
  GROUP BY request_id
)
SELECT day, tier, count(*) AS requests, sum(cost_usd) AS cost_usd, avg(cost_usd) AS usd_per_request
FROM outcomes
GROUP BY day, tier
ORDER BY day DESC, cost_usd DESC
