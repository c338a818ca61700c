"""`tierwise train`, `predict` and `evaluate`: the routing scorer, fitted and judged on tables of judged answers."""
