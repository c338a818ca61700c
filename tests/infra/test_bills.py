"""The packaged bills that `tierwise aws cost` prices are those of the templates."""

from __future__ import annotations

import pytest

from gateway.cost.bill import bill_of_folder, packaged_bill
from router_core.deployment import ENVIRONMENTS
from tests.infra.templates import Synthesis


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_the_packaged_bill_is_what_the_templates_hold(env: str, synthesis: Synthesis) -> None:
    assert packaged_bill(env) == bill_of_folder(synthesis.out / env), (
        "run `make synth && .venv/bin/python -m gateway.cost cdk.out`, then update docs/aws-cost.md"
    )
