-- What users and checks think of each target's answers, in the last week
WITH judged AS (
  SELECT request_id, source, target, max_by(score, "time") AS score
  FROM quality
  WHERE day >= date_format(current_date - interval '7' day, '%Y-%m-%d')
  GROUP BY request_id, source, target
)
SELECT target, source, count(*) AS answers, avg(score) AS mean_score, approx_percentile(score, 0.1) AS worst_tenth
FROM judged
GROUP BY target, source
ORDER BY mean_score
