"""The commands around asynchronous requests: workers that run them, and a look into their queues."""
