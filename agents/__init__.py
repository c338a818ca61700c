"""What we do with a request: five agents with one public verb each, put on one path by the pipeline."""
