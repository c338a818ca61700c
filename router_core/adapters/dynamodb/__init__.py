"""Decisions, state, money and figures in DynamoDB tables."""
