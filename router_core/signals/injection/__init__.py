"""Signs that a text gives orders to the model that reads it: wordings, other languages, and what they hide behind."""
