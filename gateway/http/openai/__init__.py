"""The OpenAI-compatible surface under `/v1`: their bodies in, our decisions inside, their shapes out."""
