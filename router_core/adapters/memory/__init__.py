"""The stores of one process: what one worker needs, and what the others are measured against."""
