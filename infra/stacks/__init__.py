"""One stack per area of an account. A stack decides nothing: it hands an environment's values to its constructs."""
