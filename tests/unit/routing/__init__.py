"""What decide() promises."""
