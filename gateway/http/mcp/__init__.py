"""The Model Context Protocol: what agents outside may look at and propose, over HTTP and over standard input."""
