"""Talks to a running gateway with the openai client: one question, then the same as a stream.

Start `tierwise serve --sandbox` first, set TIERWISE_URL to the address and TIERWISE_KEY to the key it prints, then run
this with `pip install openai`.
"""

from __future__ import annotations

import os

from openai import OpenAI

QUESTION = "What is edge computing good for? Two sentences."


def main() -> None:
    """Ask twice and print who answered."""
    url = os.environ.get("TIERWISE_URL", "http://127.0.0.1:8080")
    with OpenAI(base_url=f"{url}/v1", api_key=os.environ["TIERWISE_KEY"]) as client:
        whole = client.chat.completions.with_raw_response.create(
            model="auto:quality", messages=[{"role": "user", "content": QUESTION}], max_tokens=80
        )
        print(f"[{whole.headers['x-tierwise-target']}] {whole.parse().choices[0].message.content}")
        stream = client.chat.completions.create(
            model="auto:latency", messages=[{"role": "user", "content": QUESTION}], max_tokens=80, stream=True
        )
        for chunk in stream:
            if chunk.choices:
                print(chunk.choices[0].delta.content or "", end="", flush=True)
        print()


if __name__ == "__main__":
    main()
