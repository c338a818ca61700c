"""Nova's real client against the local endpoint that speaks Bedrock's protocol."""
