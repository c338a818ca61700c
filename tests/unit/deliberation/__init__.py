"""Thinking twice."""
