"""Decisions taken in the command's own process, without a gateway."""
