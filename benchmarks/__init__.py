"""Measures the router against its own goals and against other gateways: `python -m benchmarks`, docs/benchmarks.md."""
