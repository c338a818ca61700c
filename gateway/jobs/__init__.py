"""Asynchronous requests in the gateway and its workers: accepted into a store that outlives the process, run from there."""
