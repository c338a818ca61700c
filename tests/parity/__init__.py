"""The same request through every host must get the same answer."""
