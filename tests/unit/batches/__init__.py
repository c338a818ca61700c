"""Batches: files of requests, answered at their own pace."""
