"""Judge agent: scores an answer with another model than the one that gave it."""
