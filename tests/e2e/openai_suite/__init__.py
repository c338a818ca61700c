"""The tests that OpenAI's Python client is developed with, unchanged, against the gateway's `/v1`."""
