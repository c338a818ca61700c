"""Asynchronous requests: how many a core does, how long one takes, and what a long queue costs whoever adds to it."""
