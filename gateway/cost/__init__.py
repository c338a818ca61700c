"""What a deployment costs a month: what its templates hold, and what a million requests add."""
