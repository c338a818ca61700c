"""A small OpenAI-compatible server over the device's models, for apps in other languages and for nodes without a GPU."""
