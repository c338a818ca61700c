"""Hosts for one event at a time: Lambda functions over the same agents and the same HTTP side, without a server."""
