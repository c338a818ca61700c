"""Tells callers' own servers that an asynchronous request is over: signed, tried again, and never at an address inside."""
