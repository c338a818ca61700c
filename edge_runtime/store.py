"""Which models this device holds, whether their files are whole, and how near each is to running."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from edge_runtime.engines.model_folder import (
    CATALOGUE,
    MANIFEST,
    ModelFolderError,
    read_manifest,
    verify_folder,
)
from edge_runtime.nlu.catalogue import Catalogue, load_catalogue

Warmth = Literal["hot", "warm", "cold"]
SHIPPED = Path(__file__).with_name("models")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """One model folder. ``manifest`` as stored; ``size_bytes`` of all its files together."""

    name: str
    version: str
    folder: Path
    size_bytes: int
    manifest: Mapping[str, Any]


class Loaded(Protocol):
    """Anything a store can keep hot."""

    def parse(self, text: str) -> Any: ...


class ModelStore:
    """Folders below ``root``, one per model. *hot*: loaded; *warm*: was loaded, files likely still in
    the page cache; *cold*: on disk only. Not thread-safe: the thread that owns the sessions owns it."""

    def __init__(self, root: Path = SHIPPED) -> None:
        self._root = root
        self._hot: dict[str, Loaded] = {}
        self._warm: set[str] = set()

    def models(self) -> tuple[StoredModel, ...]:
        """Every folder with a readable manifest, by name; others are not models."""
        found = []
        for path in sorted(self._root.glob(f"*/{MANIFEST}")):
            try:
                manifest = read_manifest(path.parent)
            except ModelFolderError:
                continue
            found.append(_stored(path.parent, manifest))
        return tuple(found)

    def verify(self, name: str) -> StoredModel:
        """Raises ``ModelFolderError`` when the model is unknown or a file does not match."""
        folder = self._folder(name)
        return _stored(folder, verify_folder(folder))

    def catalogue(self, name: str) -> Catalogue:
        """What the model can be told to do: intents, slots, types, units. Raises ``ModelFolderError``."""
        try:
            return load_catalogue(self._folder(name) / CATALOGUE)
        except (OSError, ValueError, KeyError) as error:
            raise ModelFolderError(f"{name}: no readable {CATALOGUE}") from error

    def warmth(self, name: str) -> Warmth:
        return "hot" if name in self._hot else "warm" if name in self._warm else "cold"

    def heat(self, name: str, load: Callable[[Path], Loaded]) -> Loaded:
        """The loaded model; ``load`` is called once and must verify the folder it is given."""
        if name not in self._hot:
            self._hot[name] = load(self._folder(name))
            self._warm.discard(name)
        return self._hot[name]

    def cool(self, name: str) -> None:
        """Drops the session; the files stay."""
        if self._hot.pop(name, None) is not None:
            self._warm.add(name)

    def _folder(self, name: str) -> Path:
        if Path(name).name != name or not (self._root / name / MANIFEST).is_file():
            raise ModelFolderError(f"no model {name[:80]!r} in the store")
        return self._root / name


def _stored(folder: Path, manifest: Mapping[str, Any]) -> StoredModel:
    return StoredModel(
        name=folder.name,
        version=str(manifest.get("version", "0")),
        folder=folder,
        size_bytes=sum(int(entry["bytes"]) for entry in manifest["files"].values()),
        manifest=manifest,
    )
