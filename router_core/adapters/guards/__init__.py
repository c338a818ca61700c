"""Guards outside this process, behind the port `ContentGuard`."""
