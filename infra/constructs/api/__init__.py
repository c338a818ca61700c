"""The API at an account's door: routes, keys, limits, what it refuses by itself, and the firewall before it."""
