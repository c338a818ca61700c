"""`tierwise batch`: files of requests for a running gateway."""
