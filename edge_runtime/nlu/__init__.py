"""From a sentence to commands: the catalogue of intents, and deterministic readers of slot values."""
