"""What is known and how it is decided: data, policy, pure functions and ports; SDKs only under adapters."""
