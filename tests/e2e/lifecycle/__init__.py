"""The real gateway as a process: stopping, dying, coming back, and what can be asked of it about the past."""
