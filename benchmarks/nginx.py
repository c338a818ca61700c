"""nginx as the upstream that costs next to nothing and as the proxy that shows the floor."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchmarks.figures import SkippedError
from benchmarks.processes import Program, free_port, running, wait_until_open
from benchmarks.upstream import PAGES

_CONFIG: Final = """\
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; default_type application/json; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  {before}
  server {{ listen 127.0.0.1:{port} backlog=2048; {inside} }}
}}
"""
_POOL: Final = "upstream mock { server %s; keepalive 512; keepalive_requests 1000000000; }"
_PROXY: Final = (
    'location / { proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; '
    "proxy_buffering off; }"
)


def find_nginx() -> str:
    """Path of the program. Raises `SkippedError` when it is not installed."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        raise SkippedError("nginx is not installed")
    return found


@contextmanager
def nginx_mock(folder: Path) -> Iterator[str]:
    """URL of an nginx that answers chat completions, models, health and metrics from memory."""
    pages = " ".join(f"location = {path} {{ return 200 '{text}'; }}" for path, text in PAGES.items())
    with _nginx(folder / "nginx-mock", "", pages) as (url, _):
        yield url


@contextmanager
def nginx_proxy(folder: Path, upstream: str) -> Iterator[tuple[str, int]]:
    """URL and process of an nginx that passes everything on over kept connections."""
    with _nginx(folder / "nginx-proxy", _POOL % urlsplit(upstream).netloc, _PROXY) as (url, program):
        yield url, program.process.pid


@contextmanager
def _nginx(folder: Path, before: str, inside: str) -> Iterator[tuple[str, Program]]:
    program_file = find_nginx()
    folder.mkdir(parents=True)
    port, config = free_port(), folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, port=port, before=before, inside=inside))
    command = [program_file, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")]
    with running(command, folder / "log") as program:
        wait_until_open(program, port, 10)
        yield f"http://127.0.0.1:{port}", program
