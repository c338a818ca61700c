"""The host that serves the router over HTTP and from the command line."""
