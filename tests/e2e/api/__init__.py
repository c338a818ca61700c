"""The interface as clients meet it: over a socket."""
