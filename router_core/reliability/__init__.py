"""When to leave a target alone, when to try again, and how much a key may ask: pure state transitions."""
