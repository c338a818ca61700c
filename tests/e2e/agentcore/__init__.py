"""The agents as AgentCore Runtime hosts them."""
