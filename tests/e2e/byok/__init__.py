"""Callers' own keys, over sockets and across kills."""
