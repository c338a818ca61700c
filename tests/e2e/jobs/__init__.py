"""Asynchronous requests end to end: the real gateway, killed and started again."""
