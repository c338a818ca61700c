"""Checks an answer before it is returned: what it looks like, and what other models say of it."""
