"""Asynchronous requests as data: stages and transitions, what is kept of each, and when a try is the last one."""
