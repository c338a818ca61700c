"""`tierwise learn`: fits from the event log what a running gateway decides by."""
