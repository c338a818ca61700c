"""Stages, tries, workers, webhooks and judging, without a process or a server."""
