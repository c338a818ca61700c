"""What the stand-ins say of content: a guardrail, a moderation service and a safety model with one small list of words."""
