"""The tools for agents outside, without a socket."""
