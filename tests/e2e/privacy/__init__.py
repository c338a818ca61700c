"""The real gateway over a socket: what is restricted reaches no cloud target, cache, record, log line or metric."""
