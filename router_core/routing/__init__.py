"""How we decide: constraints filter, the objective scores, choice picks and falls back, explanation tells why."""
