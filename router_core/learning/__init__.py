"""What past requests teach: estimates per target, folded from what was observed."""
