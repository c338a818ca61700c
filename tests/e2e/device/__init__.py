"""The client of a device against a running gateway."""
