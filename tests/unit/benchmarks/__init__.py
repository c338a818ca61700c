"""The arithmetic of the benchmarks. Nothing here takes a time."""
