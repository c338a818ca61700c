"""What is done with a request: one agent per concern, the pipeline that joins them, and execution."""
