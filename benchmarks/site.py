"""The configuration under which this gateway is measured: everything on, limits out of the way of the load."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

KEY: Final = "tw-benchmark-key-for-loopback-only"
_SETTINGS: Final = """\
[server]
host = "127.0.0.1"
port = {port}

[[targets]]
name = "mec/mock"
kind = "openai"
base_url = "{upstream}/v1"
model = "mock"
tier = "mec"
api_key = "env:BENCH_KEY"
max_concurrency = 4096
{device}
[[keys]]
id = "bench"
tenant = "bench"
secret = "env:BENCH_KEY"
requests_per_min = 100000000
tokens_per_min = 10000000000

[events]
dir = "{events}"
"""
_DEVICE: Final = """
[[targets]]
name = "device/intent-v1"
kind = "onnx"
model = "intent-v1"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a measured gateway listens, what it stands before and where it writes; `device` adds the model on this
    machine."""

    folder: Path
    upstream: str
    port: int
    device: bool = False

    @property
    def environ(self) -> Mapping[str, str]:
        """What its secrets refer to."""
        return {"BENCH_KEY": KEY, "PYTHONPATH": os.getcwd()}


def write_settings(site: Site) -> Path:
    """The settings file of a site."""
    site.folder.mkdir(parents=True, exist_ok=True)
    file = site.folder / "tierwise.toml"
    file.write_text(
        _SETTINGS.format(
            port=site.port,
            upstream=site.upstream,
            events=site.folder / "events",
            device=_DEVICE if site.device else "",
        )
    )
    return file
