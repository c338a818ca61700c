"""One synthesis of all environments per session, made without credentials and without a network."""

from __future__ import annotations

import pytest

from tests.infra.templates import Synthesis, offline, synthesise


@pytest.fixture(scope="session")
def synthesis(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    out = tmp_path_factory.mktemp("cdk.out")
    synthesise(out, offline(tmp_path_factory.mktemp("offline")))
    return Synthesis(out)
