"""LoRA adapters of the stand-in node: loaded and unloaded at run time as vLLM 0.32 does it, with its answers and errors.

A loaded adapter is one more model of the node. There are no weights: what it says is a stand-in's text, as everywhere.
"""

from __future__ import annotations

from typing import Any

from gateway.sandbox.mec_engine import Counts, Engine
from gateway.sandbox.mec_errors import ApiError

LOAD, UNLOAD = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"
_INVALID = "InvalidUserInput"


class Adapters:
    """`folders` are those that lie on the node; with none of them, loading at run time is off and both paths are absent."""

    def __init__(self, folders: tuple[str, ...], engine: Engine, base: tuple[str, ...]) -> None:
        self._folders, self._engine, self._base = folders, engine, base
        self.loaded: dict[str, str] = {}

    def serves(self, path: str) -> bool:
        """Whether the path is one of the two."""
        return bool(self._folders) and path in (LOAD, UNLOAD)

    def act(self, path: str, body: dict[str, Any]) -> str:
        """What vLLM says, as plain text. Raises `ApiError`."""
        name = body.get("lora_name")
        return self._load(name, body) if path == LOAD else self._unload(name)

    def cards(self) -> list[dict[str, Any]]:
        """Their lines in the list of models."""
        shared = {"object": "model", "created": 0, "owned_by": "stand-in", "parent": self._base[0]}
        return [{"id": name, "root": folder, **shared} for name, folder in self.loaded.items()]

    def _load(self, name: Any, body: dict[str, Any]) -> str:
        folder = body.get("lora_path")
        if not (isinstance(name, str) and name and isinstance(folder, str) and folder):
            raise ApiError(400, "Both 'lora_name' and 'lora_path' must be provided.", _INVALID)
        if name in self.loaded and not body.get("load_inplace", False):
            text = (
                f"The lora adapter '{name}' has already been loaded. If you want to load the adapter in place, "
                "set 'load_inplace' to True."
            )
            raise ApiError(400, text, _INVALID)
        if folder not in self._folders:
            raise ApiError(404, f"Loading lora {name} failed: No adapter found for {folder}", "NotFoundError")
        self.loaded[name] = folder
        self._engine.counts.setdefault(name, Counts())
        return f"Success: LoRA adapter '{name}' added successfully."

    def _unload(self, name: Any) -> str:
        if not (isinstance(name, str) and name):
            raise ApiError(400, "'lora_name' needs to be provided to unload a LoRA adapter.", _INVALID)
        if name not in self.loaded:
            raise ApiError(404, f"The lora adapter '{name}' cannot be found.", "NotFoundError")
        del self.loaded[name]
        return f"Success: LoRA adapter '{name}' removed successfully."
