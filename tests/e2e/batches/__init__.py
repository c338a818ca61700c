"""Batches with OpenAI's own client, over sockets and across kills."""
