"""The HTTP side against a scripted router."""
