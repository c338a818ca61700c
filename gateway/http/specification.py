"""The OpenAPI document of the paths that FastAPI does not see, derived from the bodies they decode."""

from __future__ import annotations

from fastapi import FastAPI


def document_paths(api: FastAPI) -> None:
    del api
