"""What must not leave the device does not: watched at the sockets of a process of its own, and at a server that listens.

The device holds a valid bundle with a cloud target and a gateway's address, so the way out is there, and is not taken.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_runtime import Client, DeclinedError
from edge_runtime.sdk.trusted import FILE
from tests.e2e.device.house import CHAT, CLOUD_SPEC, PUBLIC, SET_TIMER, envelope, options

SECRET = "my IBAN is DE89 3704 0044 0532 0130 00 and my diagnosis is diabetes"
USE = """
import asyncio, json, sys
from pathlib import Path
reached = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.sendmsg"):
        reached.append(event)
        raise PermissionError("the test blocks the network")
from edge_runtime import Client, ClientError, Options
from router_core.inference import Device
async def main(home, trust):
    client = Client("http://192.0.2.1:9", key="k", trust=[trust],
                    options=Options(home=Path(home), device=lambda: Device(executes=True)))
    said = []
    async def ask(text, **wishes):
        try:
            said.append((await client.infer(text, **wishes)).tier)
        except ClientError as error:
            said.append(error.reason)
    sys.addaudithook(watch)
    await ask("set a timer for 5 minutes", privacy="restricted")
    await ask("explain the sky", privacy="restricted", when_offline="queue")
    await ask("explain the sky", tiers=("device",), when_offline="queue", speculate=True)
    await ask(sys.argv[3])
    kept = (list(reached), await client.waiting())
    await ask("explain the sky")
    print(json.dumps({"said": said, "kept": kept, "reached": reached}))
    await client.close()
asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


def test_a_restricted_request_reaches_no_socket(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(envelope())
    done = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path), PUBLIC, SECRET],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["said"] == ["device", "refused", "refused", "refused", "offline"]
    assert seen["kept"][0] == []  # nothing tried to reach anything
    assert "request" not in seen["kept"][1]  # and nothing waits to be sent later
    assert seen["reached"]  # while the block would have caught it, as it did for what may leave


async def test_a_listening_gateway_hears_of_restricted_requests_only_that_they_happened(
    tmp_path: Path,
) -> None:
    heard = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65_536):
            heard.extend(piece)
            body = b'{"taken": 1, "repeated": 0, "unknown_targets": 0}'
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    (tmp_path / FILE).write_bytes(envelope())
    client = Client(f"http://127.0.0.1:{port}", trust=[PUBLIC], options=options(tmp_path))
    await client.start()
    await client.infer("set a timer for 5 minutes called biopsy", privacy="restricted")
    with pytest.raises(DeclinedError):
        await client.infer("tell me about my biopsy", privacy="restricted", when_offline="queue")
    await client.deliver()
    await client.close()
    server.close()
    assert b"/device/outcomes" in heard  # the reports did arrive
    assert b"biopsy" not in heard
    assert b"/inference" not in heard


async def test_an_expired_bundle_leaves_the_device_alone_with_itself(tmp_path: Path) -> None:
    issued = time.time() - 120
    (tmp_path / FILE).write_bytes(envelope(issued_s=issued, ttl_s=60))
    client = Client("http://127.0.0.1:9", trust=[PUBLIC], options=options(tmp_path))
    answer = await client.command(SET_TIMER)
    assert (answer.tier, answer.bundle) == ("device", "expired")
    with pytest.raises(DeclinedError):
        await client.infer(CHAT)
    await client.close()


async def test_without_a_bundle_only_the_device_answers_and_an_operator_may_switch_it_off(
    tmp_path: Path,
) -> None:
    bare = Client("http://127.0.0.1:9", trust=[PUBLIC], options=options(None))
    assert (await bare.command(SET_TIMER)).bundle == "none"
    with pytest.raises(DeclinedError):
        await bare.infer(CHAT)
    await bare.close()
    (tmp_path / FILE).write_bytes(envelope(specs=(CLOUD_SPEC,)))
    without = Client("http://127.0.0.1:9", trust=[PUBLIC], options=options(tmp_path))
    with pytest.raises(DeclinedError):
        await without.command(SET_TIMER, privacy="restricted")
    await without.close()
