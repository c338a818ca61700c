"""The agents on their one path, over fakes."""
