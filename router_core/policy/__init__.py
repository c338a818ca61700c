"""The policy document: how to decide, in one versioned JSON text an operator can read, diff and roll back."""
