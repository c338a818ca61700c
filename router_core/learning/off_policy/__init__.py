"""Judging a policy by what another one decided."""
