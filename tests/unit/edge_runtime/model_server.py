"""A server of model files on this machine: with ranges, and with whatever goes wrong on the way."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from edge_runtime.engines.model_folder import REQUIRED
from edge_runtime.library.versions import ENVELOPE
from edge_runtime.protocol.envelope import MANIFEST_TYPE, new_key, signer

PRIVATE, PUBLIC = new_key()


@dataclass(slots=True)
class Site:
    """`files` by path; `cut_after`: bytes of the next answer before the line dies; `ranges`: whether they are known."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: int | None = None
    ranges: bool = True
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def publish(self, name: str, version: str, bodies: Mapping[str, bytes], **changes: object) -> str:
        """Put a signed model on the site; `changes` go into the manifest. Its address."""
        document = {
            "name": name,
            "version": version,
            "licence": "Apache-2.0",
            "min_ram_mb": 64,
            "files": {
                one: {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
                for one, body in bodies.items()
            },
            **changes,
        }
        base = f"/{name}/{version}"
        for one, body in bodies.items():
            self.files[f"{base}/{one}"] = body
        self.files[f"{base}/{ENVELOPE}"] = signer(PRIVATE)(MANIFEST_TYPE, json.dumps(document).encode())
        return self.url + base


def model_files(size: int, seed: int = 0) -> dict[str, bytes]:
    """Files with the names that a model folder needs, and bytes that mean nothing."""
    block = hashlib.sha256(str(seed).encode()).digest()
    return {**{name: name.encode() for name in REQUIRED}, "model.onnx": (block * (size // 32 + 1))[:size]}


@contextmanager
def serving() -> Iterator[Site]:
    """The site, until the block ends."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            body, begin = site.files.get(self.path), 0
            if body is None:
                self.send_error(404)
                return
            given = self.headers.get("range")
            if given and site.ranges:
                begin = int(given.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206 if begin else 200)
            self.send_header("content-length", str(len(body) - begin))
            if begin:
                self.send_header("content-range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
            self.end_headers()
            cut, site.cut_after = site.cut_after, None
            if self.path.endswith(ENVELOPE):
                site.cut_after, cut = cut, None
            self.wfile.write(body[begin:] if cut is None else body[begin : begin + cut])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
