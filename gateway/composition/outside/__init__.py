"""Services that the gateway asks about content."""
