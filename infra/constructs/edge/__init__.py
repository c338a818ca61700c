"""Where long-lived processes run: the gateway behind its door, and machines with GPUs that serve models."""
