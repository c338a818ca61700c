"""Content that must not pass, on every way in and out."""
