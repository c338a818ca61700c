"""Functions decide by what was learned, as a gateway does: the scorer where the policy gives it a share, and fitted files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.hosts.composition import Parts
from router_core.errors import ConfigurationError
from router_core.learning import verification
from router_core.learning.verification import UNFITTED, Group, Keeping
from tests.parity.cases import Case
from tests.parity.site import POLICY, House
from tests.unit.hosts.house import asked, one_server, run

QUESTION = {"input": "Why did the Roman republic become an empire, and who gained by it?"}


def decided(house: House) -> Any:
    return [record for record in house.events.records if record["kind"] == "decision"][-1]["features"]


def test_one_function_and_the_stages_ask_the_scorer(tmp_path: Path) -> None:
    policy = tmp_path / "scored.json"
    policy.write_text(json.dumps({**POLICY, "scorer": {"share": 0.5}}))
    with one_server(tmp_path) as (house, _):
        house.environ = {**house.environ, "TIERWISE_POLICY__FILE": str(policy)}
        assert asked(house, Case(name="question", body=QUESTION))[0] == 200
        by_one = decided(house)
        asked(house, Case(name="later", body={**QUESTION, "mode": "async"}))
        (payload,) = house.started.runs.values()
        run(house, payload)
        assert by_one["foreseen"] == decided(house)["foreseen"]
        assert len(by_one["foreseen"]) == 4


def test_fitted_checks_are_read_and_read_again(tmp_path: Path) -> None:
    file = tmp_path / "checks.json"
    fitted = Keeping(groups={"mec/a": Group(judged=300)})
    file.write_text(json.dumps(verification.to_document(fitted)))
    parts = Parts({"TIERWISE_LEARNING__CHECKS": str(file)})
    assert parts.learned.keeping() == fitted
    file.write_text(json.dumps(verification.to_document(Keeping(groups={}))))
    parts.learned.look()
    assert not parts.learned.keeping().groups
    assert Parts({}).learned.keeping() is UNFITTED
    file.write_text("{")
    with pytest.raises(ConfigurationError, match=r"learning\.checks"):
        _ = Parts({"TIERWISE_LEARNING__CHECKS": str(file)}).learned
