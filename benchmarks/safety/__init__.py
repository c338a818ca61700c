"""A labelled set of texts that the repo makes itself, and how much of it the safety agent's own signals catch."""
