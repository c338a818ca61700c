"""Asynchronous requests on AWS: topics, queues, the database, workers, and what may be changed while they run."""
