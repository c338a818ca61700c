"""Local stand-ins for a MEC node and for Amazon Bedrock, so that everything runs without an account or a GPU.

They exist only for the sandbox, the demo and tests. Each speaks the real wire protocol and says in its text
that it is a stand-in. Start them with `gateway.sandbox.processes.start_standins`.
"""
