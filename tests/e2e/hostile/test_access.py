"""Who may do what, over every documented path: no key, host, path or header opens what the role doesn't."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.e2e.hostile.site import ADMIN, A, Site
from tests.e2e.hostile.wire import MIB, request, say

OPEN = ("/health/liveness", "/health/liveliness", "/health/readiness", "/openapi.json", "/docs")
"""The contract's paths without a key; /metrics only from this machine, which the tests are on."""
HOSTS = (
    "a/?x=", "h/#", "h/?", "@evil", "evil@h", "127.0.0.1/health/liveness?", "localhost/health/liveness#", "h:99999", "h:-1",
    "[::1", "..", "h\\@evil", "h%2fhealth%2fliveness", "a" * 4096, "http://h/health/liveness", "h, evil", "\xff", "",
)  # fmt: skip
REWRITES = (
    "x-original-url: /health/liveness", "x-rewrite-url: /health/liveness", "x-forwarded-prefix: /health", "x-http-method-override: GET",
    "x-forwarded-host: localhost", "x-forwarded-for: 127.0.0.1", "forwarded: for=127.0.0.1;host=h", "x-real-ip: ::1", "x-tierwise-role: admin",
    "x-forwarded-user: operator", "x-remote-user: operator", "cookie: role=admin", "proxy-authorization: Bearer key-canary-admin-55e0",
)  # fmt: skip
TOKENS = (
    "' OR '1'='1", "'; DROP TABLE keys; --", "\" OR 1=1 --", "admin'--", "sk-' UNION SELECT secret FROM keys --", "1) OR (1=1",
    "${jndi:ldap://x}", "{{7*7}}", "../../etc/passwd", "%00", "null", "undefined", "true", "*", "\x7f", "\xff\xfe",
    "a" * 511, "a" * 512, "a" * 513, "a" * 60_000, A[:-1], A + "0", A.upper(), A[:10], "env:SITE_KEY_A", "Bearer " + A, "",
)  # fmt: skip
SCHEMES = (
    "Basic " + A,
    "Token " + A,
    A,
    "Bearer",
    "Bearer\t" + A,
    "bearer: " + A,
    "Bearer,Bearer " + A,
    "Digest " + A,
)


def routes(site: Site) -> Iterator[tuple[str, str]]:
    """Method and path of every operation, names filled in."""
    for path, operations in site.document()["paths"].items():
        filled = path.replace("{name}", "mec/none").replace("{model}", "auto")
        yield from ((method.upper(), re.sub(r"\{\w+\}", "req_0", filled)) for method in operations)


def protected(site: Site) -> list[tuple[str, str]]:
    found = [route for route in routes(site) if route[1] not in (*OPEN, "/metrics")]
    assert len(found) >= 14
    return found


def status(site: Site, method: str, path: str, key: str | None, headers: str = "") -> int:
    body = b"{}" if method == "POST" else b""
    return say(site.port, request(path, body, key, method=method, headers=headers)).status


def test_every_route_knows_its_roles(site: Site) -> None:
    for method, path in routes(site):
        free = path in (*OPEN, "/metrics")
        for key in (None, "no-such-key"):
            found = status(site, method, path, key)
            assert found == (200 if free else 401), (method, path, key)
        assert (status(site, method, path, A) == 403) is path.startswith("/admin"), (method, path)
        assert status(site, method, path, ADMIN) not in (401, 403), (method, path)


def test_no_host_header_changes_who_may_pass(site: Site) -> None:
    for method, path in protected(site):
        wanted = {key: status(site, method, path, key) for key in (None, A)}
        for host in HOSTS:
            for key, usual in wanted.items():
                sent = request(path, b"{}" if method == "POST" else b"", key, method=method)
                sent = sent.replace(b"host: gateway", b"host: " + host.encode("latin-1"))
                assert say(site.port, sent).status in (usual, 400), (method, path, host[:40], key)


def test_no_host_missing_twice_or_of_a_megabyte_changes_who_may_pass(site: Site) -> None:
    for method, path in protected(site):
        plain = request(path, b"{}" if method == "POST" else b"", method=method)
        for line in (b"", b"host: h\r\nhost: localhost\r\n"):
            assert say(site.port, plain.replace(b"host: gateway\r\n", line)).status in (401, 400)
    long = request("/admin/targets", method="GET").replace(b"host: gateway", b"host: " + b"a" * MIB)
    assert say(site.port, (long[at : at + 65_536] for at in range(0, len(long), 65_536))).status in (400, 431)


def test_no_header_of_a_proxy_changes_who_may_pass(site: Site) -> None:
    for method, path in protected(site):
        wanted = {key: status(site, method, path, key) for key in (None, A)}
        for line in REWRITES:
            for key, usual in wanted.items():
                assert status(site, method, path, key, f"{line}\r\n") == usual, (method, path, line)


@pytest.mark.parametrize(
    "path",
    ["//admin/targets", "/./admin/targets", "/health/../admin/targets", "/health/liveness/../../admin/targets", "/v1/../admin/targets",
     "/%61dmin/targets", "/admin%2ftargets", "/%2e%2e/admin/targets", "/health/%2e%2e/admin/targets", "/ADMIN/targets", "/admin/targets/",
     "/admin;x=/targets", "/admin/targets;.css", "/admin/targets%00", "/admin/targets%20", "/admin\\targets", "/admin//targets",
     "/admin/targets?/health/liveness", "/admin/targets#/health/liveness", "http://h/admin/targets", "http://h@x/admin/targets",
     "/health/liveness/admin/targets", "/inference/../admin/targets", "/inference/%2e%2e%2fadmin%2ftargets", "*", "/%c0%ae%c0%ae/admin/targets",
     "/admin/../v1/models/../../admin/targets", "/openapi.json/../admin/targets", "/docs/../admin/targets", "/\xff/admin/targets"],
)  # fmt: skip
def test_no_way_of_writing_a_path_opens_an_admin_path(site: Site, path: str) -> None:
    for key in (None, A):
        reply = say(site.port, request(path, key=key, method="GET"))
        assert reply.status in (400, 401, 403, 404)
        assert b'"targets":[' not in reply.body


@pytest.mark.parametrize("path", ["/inference", "/v1/models", "/admin/targets", "/nothing"])
def test_no_other_token_is_a_key(site: Site, path: str) -> None:
    """Neither statements, nor parts of a key, nor a megabyte: 401 in constant form, and the key itself is not repeated."""
    method = "POST" if path == "/inference" else "GET"
    for token in TOKENS:
        reply = say(site.port, request(path, key=token, method=method))
        assert reply.status in (401, 400), token[:60]
        assert len(token) < 8 or token.encode("latin-1") not in reply.body
    for line in (
        *(f"authorization: {scheme}\r\n" for scheme in SCHEMES),
        f"authorization: Bearer {A}\r\n" * 2,
    ):
        assert status(site, method, path, None, line) in (401, 400), line
    huge = request(path, key="x" * MIB, method=method)
    assert say(site.port, (huge[at : at + 65_536] for at in range(0, len(huge), 65_536))).status in (401, 431)
