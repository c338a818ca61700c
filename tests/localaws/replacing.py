"""Puts our part in the place of one of moto's, which offers no seam: the one line where that happens."""

from __future__ import annotations

from typing import Any


def replace(owner: Any, name: str, ours: Any) -> None:
    """`owner` is a module or class of moto's. Raises AttributeError when this version has no such part any more."""
    getattr(owner, name)
    setattr(owner, name, ours)
