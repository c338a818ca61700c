"""`python -m tests.localaws`: deploys the real templates to a local AWS, says where it is, and stays up.

With `--once` it ends as soon as everything is deployed and one request was answered.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time

from tests.localaws import address
from tests.localaws.loopback import ask
from tests.localaws.site import Site, running_site

PORT = 5556


def main() -> int:
    """Deploy, ask once, and wait for Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.localaws", description=__doc__)
    parser.add_argument("--port", type=int, default=PORT, help="of the local AWS; 0 takes a free one")
    parser.add_argument("--pace", type=float, default=1.0, help="scale of the stand-ins' waits; 0 for none")
    parser.add_argument("--once", action="store_true", help="end when the first request is answered")
    options = parser.parse_args()
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started:5.1f} s  {text}", file=sys.stderr, flush=True)

    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with running_site(port=options.port, pace=options.pace, say=say) as site:
        say(f"first answer: {first_answer(site)}")
        tell(site)
        if not options.once:
            stopped.wait()
    return 0


def first_answer(site: Site) -> str:
    """One request through the API, so that the functions are warm and "ready" means it."""
    headers = {"authorization": f"Bearer {site.keys['operator'].value}"}
    reply = ask("POST", f"{site.api_url}/inference", {"input": "set a timer for 5 minutes"}, headers)
    return (
        str(reply.json["routing"]["reason"])
        if reply.status == 200
        else f"{reply.status} {reply.body[:300]!r}"
    )


def tell(site: Site) -> None:
    """What a person needs to go on."""
    exports = " ".join(f"{name}={value}" for name, value in address.environment(site.aws_url).items())
    recorded = ", ".join(sorted(site.recorded())) or "none"
    print(f"api: {site.api_url}\nkey: {site.keys['operator'].value}")
    print(f"aws: export {exports}")
    print(f"types that are recorded but do nothing here: {recorded}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
