"""A gateway process met by callers who mean harm: over bare sockets, with every secret and every tenant at stake."""
