"""A certificate for `localhost` that only these tests trust: it opens nothing, so its key may lie here."""

from __future__ import annotations

import ssl
from pathlib import Path

PEM = Path(__file__).with_name("test_only_localhost.pem")


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    return context


def client_context() -> ssl.SSLContext:
    """Trusts the test certificate; names are checked as usual."""
    return ssl.create_default_context(cafile=str(PEM))
