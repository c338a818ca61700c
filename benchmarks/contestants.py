"""Who takes part: a direct call, nginx, this gateway, LiteLLM's proxy and Portkey, all in front of one upstream.

Each is a context manager that starts the program with its own default configuration and one worker, and stops it at
the end. What is not installed raises `SkippedError` with the reason. Everything listens on 127.0.0.1 only.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchmarks.figures import SkippedError
from benchmarks.nginx import nginx_proxy
from benchmarks.processes import free_port, running, wait_until_open
from benchmarks.site import KEY, Site, write_settings

CHAT: Final = "/v1/chat/completions"
TIERWISE: Final = "Tierwise"
DIRECT: Final = "direct"
NGINX: Final = "nginx proxy_pass"
LITELLM: Final = "LiteLLM proxy"
PORTKEY: Final = "Portkey gateway"
LITELLM_PYTHON: Final = "TIERWISE_BENCH_LITELLM"
PORTKEY_FOLDER: Final = "TIERWISE_BENCH_PORTKEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """Something that answers chat completions. `pid` is the root of its process tree, None when it is not counted;
    `members` are JSON members its request bodies get besides the common ones."""

    name: str
    url: str
    headers: Mapping[str, str]
    pid: int | None = None
    members: str = ""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the URL."""
        place = urlsplit(self.url)
        return place.hostname or "", place.port or 80


Start = Callable[[Path, str], AbstractContextManager[Contestant]]


def headers(key: str, **more: str) -> dict[str, str]:
    """Request headers with a bearer key."""
    return {"content-type": "application/json", "authorization": f"Bearer {key}", **more}


def cacheable(contestant: Contestant) -> Contestant:
    """The same gateway asked at temperature 0: such answers may be reused, so it looks one up and stores one."""
    return replace(contestant, name=f"{contestant.name}, temperature 0", members=',"temperature":0')


@contextmanager
def direct(folder: Path, upstream: str) -> Iterator[Contestant]:
    """No gateway at all."""
    yield Contestant(name=DIRECT, url=upstream + CHAT, headers=headers(KEY))


@contextmanager
def nginx(folder: Path, upstream: str) -> Iterator[Contestant]:
    """nginx as a reverse proxy with a keep-alive pool: about the least a gateway can cost."""
    with nginx_proxy(folder, upstream) as (url, pid):
        yield Contestant(name=NGINX, url=url + CHAT, headers=headers(KEY), pid=pid)


@contextmanager
def tierwise(folder: Path, upstream: str) -> Iterator[Contestant]:
    """This gateway from this checkout: `tierwise serve` with one target, keys, limits, events and metrics on."""
    site = Site(folder=folder / "tierwise", upstream=upstream, port=free_port())
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(write_settings(site))]
    with running(command, folder / "tierwise.log", site.environ) as program:
        try:
            wait_until_open(program, site.port, 30)
        except SkippedError as error:
            # Ours must start: to leave it out quietly would be no result.
            raise RuntimeError(f"the gateway does not start: {error}") from error
        yield Contestant(
            name=TIERWISE,
            url=f"http://127.0.0.1:{site.port}{CHAT}",
            headers=headers(KEY),
            pid=program.process.pid,
        )


@contextmanager
def litellm(folder: Path, upstream: str) -> Iterator[Contestant]:
    """LiteLLM's proxy, one worker, one model and the master key it asks for, its default configuration otherwise."""
    python = os.environ.get(LITELLM_PYTHON)
    if not python:
        raise SkippedError(f"{LITELLM}: {LITELLM_PYTHON} does not name a Python that has it")
    port, config = free_port(), folder / "litellm.json"
    parameters = {"model": "openai/mock", "api_base": f"{upstream}/v1", "api_key": KEY}
    # JSON is YAML.
    config.write_text(json.dumps({"model_list": [{"model_name": "auto", "litellm_params": parameters}]}))
    program = str(Path(python).parent / "litellm")
    command = [
        program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1",
        "--telemetry", "False",
    ]  # fmt: skip
    key = f"sk-{secrets.token_hex(32)}"
    # Its price table comes with the package; it must not ask the network for another.
    environ = {"LITELLM_MASTER_KEY": key, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with running(command, folder / "litellm.log", environ) as started:
        _open_or_skip(LITELLM, lambda: wait_until_open(started, port, 120))
        yield Contestant(
            name=LITELLM,
            url=f"http://127.0.0.1:{port}{CHAT}",
            headers=headers(key),
            pid=started.process.pid,
        )


@contextmanager
def portkey(folder: Path, upstream: str) -> Iterator[Contestant]:
    """Portkey's gateway on Node, told by its header to go to the upstream."""
    place = os.environ.get(PORTKEY_FOLDER)
    if not place:
        raise SkippedError(f"{PORTKEY}: {PORTKEY_FOLDER} does not name a folder that has it")
    script = Path(place) / "node_modules/@portkey-ai/gateway/build/start-server.js"
    node = shutil.which("node")
    if node is None or not script.is_file():
        raise SkippedError(f"{PORTKEY}: node or {script.name} in the folder of {PORTKEY_FOLDER} is missing")
    port = free_port()
    config = {"provider": "openai", "api_key": KEY, "custom_host": f"{upstream}/v1"}
    command = [node, str(script), f"--port={port}", "--headless"]
    with running(command, folder / "portkey.log", {"NODE_ENV": "production"}) as started:
        _open_or_skip(PORTKEY, lambda: wait_until_open(started, port, 60))
        yield Contestant(
            name=PORTKEY,
            url=f"http://127.0.0.1:{port}{CHAT}",
            headers=headers(KEY, **{"x-portkey-config": json.dumps(config)}),
            pid=started.process.pid,
        )


def _open_or_skip(name: str, wait: Callable[[], None]) -> None:
    try:
        wait()
    except SkippedError as error:
        raise SkippedError(f"{name}: {error}") from error


EVERYONE: Final[tuple[Start, ...]] = (direct, nginx, tierwise, litellm, portkey)
