"""The policy through the admin paths: simulated against past requests, promoted with evidence."""
