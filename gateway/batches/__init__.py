"""Batches in the gateway: a file of requests becomes jobs at its own pace, and their results become files."""
