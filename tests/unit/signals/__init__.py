"""What is read from a request's text, and how precisely."""
