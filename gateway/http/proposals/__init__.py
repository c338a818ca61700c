"""Proposals over HTTP, for operators and for the tools of agents outside."""
