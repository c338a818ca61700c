"""`tierwise edge`: `serve` runs the local OpenAI-compatible server, `key` makes a key to sign bundles and models with,
`sign` signs a model folder.

Runs with the edge extra alone: nothing here reads the gateway's settings or reaches for a cloud.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from gateway.cli.output import note, print_json
from router_core.errors import ConfigurationError

KEY_VARIABLE = "TIERWISE_EDGE_KEY"


def run(options: argparse.Namespace) -> int:
    """Exit status. Raises `ConfigurationError`, OSError."""
    if options.action == "serve":
        return serve(options)
    return key(options) if options.action == "key" else sign(options)


def serve(options: argparse.Namespace) -> int:
    """Until it is told to stop."""
    import asyncio

    try:
        from edge_runtime.server.running import serve_model
    except ImportError as error:
        raise ConfigurationError("`edge serve` needs its package: pip install 'tierwise[edge]'") from error
    from edge_runtime.store import SHIPPED

    folder = Path(options.model) if options.model else SHIPPED / "intent-v1"
    secret = os.environ.get(KEY_VARIABLE) or None
    if options.host not in ("127.0.0.1", "::1", "localhost") and secret is None:
        raise ConfigurationError(f"beyond this machine the server needs a key: set {KEY_VARIABLE}")
    asyncio.run(serve_model(folder, host=options.host, port=options.port, key=secret, queue=options.queue))
    return 0


def key(options: argparse.Namespace) -> int:
    """A private key into a file that only its owner reads; the public one is printed."""
    from edge_runtime.protocol.envelope import new_key

    private, public = new_key()
    handle = os.open(options.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(private + "\n")
    if options.json:
        print_json({"file": options.file, "public": public})
        return 0
    note(f'{options.file}: settings: device.signing_key = "file:{options.file}"; devices trust the key below')
    sys.stdout.write(public + "\n")
    return 0


def sign(options: argparse.Namespace) -> int:
    """Writes the signed manifest beside the folder's own, after every file was checked."""
    from edge_runtime.library.manifest import ManifestError, read_signed
    from edge_runtime.library.versions import ENVELOPE
    from edge_runtime.protocol.envelope import MANIFEST_TYPE, Trust, public_of, signer

    folder = Path(options.folder)
    manifest = _manifest(folder, options)
    secret = Path(options.key).read_text(encoding="ascii").strip()
    sealed = signer(secret)(MANIFEST_TYPE, json.dumps(manifest, sort_keys=True).encode())
    try:
        read_signed(sealed, Trust([public_of(secret)]))
    except ManifestError as error:
        raise ConfigurationError(f"{folder.name}: {error}: no device would take it") from error
    (folder / ENVELOPE).write_bytes(sealed)
    if options.json:
        print_json({"file": str(folder / ENVELOPE), "name": manifest["name"], "version": manifest["version"]})
    else:
        note(f"{folder / ENVELOPE}: {manifest['name']} {manifest['version']}")
    return 0


def _manifest(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The folder's own manifest after a check of every file; for a folder that has none, such as a converted language
    model's, one that names all its files. Raises `ConfigurationError`."""
    from edge_runtime.engines.model_folder import MANIFEST, ModelFolderError, sha256_of, verify_folder
    from edge_runtime.library.versions import ENVELOPE

    try:
        if (folder / MANIFEST).is_file():
            return dict(verify_folder(folder))
    except ModelFolderError as error:
        raise ConfigurationError(str(error)) from error
    if not options.version or not options.licence:
        raise ConfigurationError(
            f"{folder.name} has no {MANIFEST}: say its --version and --licence, and its --name"
        )
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != ENVELOPE)
    return {
        "name": options.name or folder.name,
        "version": options.version,
        "licence": options.licence,
        "min_ram_mb": options.min_ram_mb,
        "files": {path.name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)} for path in files},
    }
