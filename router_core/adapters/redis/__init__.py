"""Shared state in Redis, which may go away at any time."""
