"""Seventy-two simulated hours of a phone: what our decisions cost in money and energy against three simple rules."""
