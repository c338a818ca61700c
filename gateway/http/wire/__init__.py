"""The bodies clients may send, each declared once; decoding, validation and the OpenAPI schemas derive from them."""
