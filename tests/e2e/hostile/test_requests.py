"""Requests that are not HTTP, or are two things at once: a refusal, one answer at most, and nobody else notices."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

import pytest

from tests.e2e.hostile.site import ADMIN, A, Site
from tests.e2e.hostile.wire import MIB, PATIENCE_S, everything, request, say

HOST = b"host: h\r\n"
KEY = b"authorization: Bearer %b\r\n" % A.encode()
NOT_HTTP = {
    "noise": b"\x00\xff\x13\x37" * 100 + b"\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100 + b"\r\n\r\n",
    "http/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no target": b"GET\r\n\r\n",
    "no method": b" / HTTP/1.1\r\n\r\n",
    "version 9": b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
    "not a version": b"GET / HTPP/1.1\r\n" + HOST + b"\r\n",
    "invented method": b"STEAL /admin/targets HTTP/1.1\r\n" + HOST + b"\r\n",
    "no colon": b"GET /health/liveness HTTP/1.1\r\nhost\r\n\r\n",
    "space before colon": b"GET /health/liveness HTTP/1.1\r\nhost : h\r\n\r\n",
    "nul in a name": b"GET /health/liveness HTTP/1.1\r\nho\x00st: h\r\n\r\n",
    "nul in a value": b"GET /health/liveness HTTP/1.1\r\nhost: h\x00\r\n\r\n",
    "lone carriage return": b"GET /health/liveness HTTP/1.1\r\nhost: h\rx: y\r\n\r\n",
    "space in the target": b"GET /health/live ness HTTP/1.1\r\n" + HOST + b"\r\n",
}
FRAMED_TWICE = {
    "length and chunks": b"content-length: %d\r\ntransfer-encoding: chunked\r\n",
    "chunks and length": b"transfer-encoding: chunked\r\ncontent-length: %d\r\n",
    "two lengths": b"content-length: 2\r\ncontent-length: %d\r\n",
    "a list of lengths": b"content-length: 2, %d\r\n",
    "signed length": b"content-length: +%d\r\n",
    "negative length": b"content-length: -%d\r\n",
    "hexadecimal length": b"content-length: 0x%d\r\n",
    "huge length": b"content-length: 99999999999999999999999999%d\r\n",
    "text as length": b"content-length: x%d\r\n",
    "chunks, spelt wrong": b"transfer-encoding: xchunked\r\nx-length: %d\r\n",
    "chunked is not last": b"transfer-encoding: chunked, identity\r\nx-length: %d\r\n",
    "chunked twice": b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\ncontent-length: %d\r\n",
    "space before the colon": b"transfer-encoding : chunked\r\ncontent-length: %d\r\n",
    "tab after the colon": b"transfer-encoding:\tchunked\r\ncontent-length: %d\r\n",
    "folded": b"transfer-encoding:\r\n chunked\r\ncontent-length: %d\r\n",
}
CHUNKS = {
    "negative": b"-1\r\nx\r\n0\r\n\r\n",
    "huge": b"ffffffffffffffffff\r\nx\r\n0\r\n\r\n",
    "no number": b"zz\r\nx\r\n0\r\n\r\n",
    "prefixed": b"0x2\r\n{}\r\n0\r\n\r\n",
    "too short": b"1\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", NOT_HTTP)
def test_what_is_not_http_is_refused(site: Site, name: str) -> None:
    """400 and the end of the connection; a parser that recovers could be made to see a second request."""
    reply = say(site.port, NOT_HTTP[name])
    assert reply.status == 400
    assert reply.headers["connection"] == "close"


@pytest.mark.parametrize("name", FRAMED_TWICE)
def test_a_request_inside_a_request_is_not_answered(site: Site, name: str) -> None:
    """Two lengths are two opinions on where the next request begins: nothing may follow the first answer."""
    inner = b"GET /admin/targets HTTP/1.1\r\n" + HOST + b"authorization: Bearer %b\r\n\r\n" % ADMIN.encode()
    head = b"POST /inference HTTP/1.1\r\n" + HOST + KEY + b"content-type: application/json\r\n"
    sent = head + FRAMED_TWICE[name] % len(b"0\r\n\r\n" + inner) + b"\r\n0\r\n\r\n" + inner
    said = everything(site.port, sent)
    assert said.count(b"HTTP/1.1 ") <= 1
    assert b'"targets":[' not in said
    assert not said or said.split(b" ")[1] in (b"400", b"413", b"415")


@pytest.mark.parametrize("name", CHUNKS)
def test_ill_formed_chunks_are_refused(site: Site, name: str) -> None:
    head = b"POST /inference HTTP/1.1\r\n" + HOST + KEY + b"transfer-encoding: chunked\r\n\r\n"
    said = everything(site.port, head + CHUNKS[name])
    assert said.count(b"HTTP/1.1 ") <= 1
    assert not said or said.split(b" ")[1] == b"400"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("".join(f"x-{n}: {n}\r\n" for n in range(10_000)), 431),
        ("x-long: " + "a" * MIB + "\r\n", 431),
        ("a" * MIB + ": x\r\n", 431),
        ("cookie: " + "a=b; " * 50_000 + "\r\n", 431),
        ("".join("x: y\r\n" for _ in range(2_000)), 401),
    ],
    ids=["10,000 headers", "1 MB value", "1 MB name", "1 MB cookie", "2,000 small ones"],
)
def test_a_flood_of_headers_is_cut_off(site: Site, head: str, status: int) -> None:
    """What fits into 64 KiB is an ordinary request, here one without a key."""
    reply = say(
        site.port, (request("/inference", headers=head)[at : at + 65_536] for at in range(0, 2 * MIB, 65_536))
    )
    assert reply.status in (status, 400)


def test_a_target_of_a_megabyte_is_cut_off(site: Site) -> None:
    assert say(site.port, request("/" + "a" * MIB, method="GET")).status in (400, 414, 431)


def test_http_1_0_is_served_and_closed(site: Site) -> None:
    body = b'{"input": "x"}'
    head = b"POST /inference HTTP/1.0\r\n" + KEY + b"content-length: %d\r\n\r\n" % len(body)
    reply = say(site.port, head + body)
    assert (reply.status, reply.headers["connection"]) == (200, "close")


@pytest.mark.parametrize(
    "method", ["OPTIONS", "TRACE", "CONNECT", "PUT", "PATCH", "DELETE", "HEAD", "PROPFIND"]
)
def test_other_methods_do_nothing(site: Site, method: str) -> None:
    for path in (
        "/inference",
        "/v1/chat/completions",
        "/admin/targets",
        "/admin/targets/mec/good/drain",
        "/inference/req_0",
    ):
        for key in (A, ADMIN):
            assert say(site.port, request(path, key=key, method=method)).status in (400, 403, 404, 405)


def test_the_browser_of_a_stranger_is_told_nothing(site: Site) -> None:
    """No answer invites other sites' scripts in."""
    origin = "origin: https://evil.example\r\naccess-control-request-method: POST\r\n"
    for method in ("OPTIONS", "GET", "POST"):
        reply = say(site.port, request("/health/liveness", method=method, headers=origin))
        assert not any(name.startswith("access-control") for name in reply.headers)


def test_websockets_are_refused(site: Site) -> None:
    upgrade = (
        "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    for path in ("/inference", "/admin/targets"):
        reply = say(site.port, request(path, method="GET", headers=upgrade))
        assert 400 <= reply.status < 500


def test_others_are_served_while_300_connections_trickle(site: Site) -> None:
    """Heads and bodies that arrive byte by byte hold a connection each and nothing else."""
    with ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", site.port), PATIENCE_S))
            for _ in range(300)
        ]
        for number, connection in enumerate(slow):
            unfinished = request("/inference", b'{"input": "x"}', A)[: -3 if number % 2 else -40]
            connection.sendall(unfinished)
        start = time.monotonic()
        while time.monotonic() < start + 1.0:
            assert site.post("/inference", {"input": "hello"}).status == 200
            for connection in slow[::2]:
                connection.sendall(b"x")
    assert site.get("/health/liveness", None).status == 200


def test_no_name_in_a_request_becomes_a_header_or_an_id(site: Site) -> None:
    """Names of ignored fields come back in a header, and ids are the server's own."""
    evil = "a\r\nx-evil: 1\r\n\r\nHTTP/1.1 200 OK"
    chat = {"model": "mec/good", "messages": [{"role": "user", "content": "x"}], evil: 1, "harmless": 1}
    lines = "x-request-id: mine\r\nx-tierwise-request-id: mine\r\nx-correlation-id: mine\r\n"
    reply = site.post("/v1/chat/completions", chat, headers=lines)
    assert reply.status == 200
    assert reply.headers["x-tierwise-ignored-params"] == "harmless"
    assert reply.headers["x-tierwise-request-id"].startswith("req_")
    unknown = site.post("/v1/chat/completions", {**chat, "model": evil})
    assert unknown.status == 404
    assert "x-evil" not in {*reply.headers, *unknown.headers}
