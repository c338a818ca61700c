"""The stand-ins' process: it starts with fresh credentials, stops when told, and never outlives its parent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing

import pytest

from gateway.sandbox.__main__ import listen
from gateway.sandbox.processes import start_standins
from tests.unit.sandbox.sending import get

PARENT = """
import os, signal
from gateway.sandbox.processes import start_standins
standins = start_standins(pace=0)
print(standins.mec_urls[0], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_several_nodes_start_with_credentials_of_their_own_and_stop() -> None:
    first = start_standins(pace=0, mec_nodes=2, mec_models=("one", "two"))
    second = start_standins(pace=0, mec_nodes=0)
    try:
        assert len(set(first.mec_urls)) == 2
        listed = get(f"{first.mec_urls[1]}/v1/models", {"authorization": f"Bearer {first.mec_api_key}"}).json
        assert [model["id"] for model in listed["data"]][:2] == ["one", "two"]
        assert second.mec_urls == ()
        assert first.secret_access_key != second.secret_access_key
        assert first.secret_access_key not in repr(first)
        assert first.control_token not in repr(first)
    finally:
        first.stop()
        second.stop()
    assert first.process.poll() is not None
    with pytest.raises(ConnectionRefusedError):
        get(f"{first.mec_urls[0]}/health")
    first.stop()


def test_the_child_ends_when_its_parent_is_killed() -> None:
    parent = subprocess.run(
        [sys.executable, "-c", PARENT],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=os.getcwd(),
        check=False,
    )
    assert parent.returncode == -signal.SIGKILL, parent.stderr
    while True:
        try:
            get(f"{parent.stdout.strip()}/health")
        except ConnectionError:
            return


def test_listening_sockets_name_their_protocol_so_that_answers_are_not_delayed() -> None:
    with closing(listen(0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP
