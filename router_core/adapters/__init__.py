"""Ports met by real technology: one SDK per file, imported by hosts alone, raising only core errors."""
