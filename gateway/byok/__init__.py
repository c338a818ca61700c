"""Bring your own key: providers that the settings name, asked with the key that a request brings."""
