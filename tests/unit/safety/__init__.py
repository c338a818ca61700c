"""The safety agent's parts, each by itself."""
