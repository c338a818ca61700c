"""The formats under the network adapters: HTTP/1.1, event streams, OpenAI's and Bedrock's bodies, their errors."""
