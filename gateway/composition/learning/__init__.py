"""What is learned from the event log: files that are read again, and policies weighed by it."""
