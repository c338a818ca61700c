"""Tiers behind the `Model` port: how Bedrock, SageMaker and OpenAI-compatible servers are spoken to."""
