"""Proposals: limits, rounds, the desk, and what is stored."""
