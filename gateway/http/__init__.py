"""The HTTP side of the gateway: what arrives on the socket becomes a request of the core, and the answer goes back."""
