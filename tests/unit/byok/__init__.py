"""Callers' own keys: what holds them, what seals them, and what speaks to their providers."""
