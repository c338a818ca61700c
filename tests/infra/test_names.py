"""What ties the templates to the product: names, and nothing but names."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aws_cdk import App

from infra.environments import ENVIRONMENTS
from infra.naming import arn, bucket_name
from infra.stage import chosen_environment
from router_core import deployment
from router_core.stages import NAMES
from tests.architecture.code import imports, python_files

NAMES_ONLY = ("router_core.deployment", "router_core.stages")


def test_the_templates_import_names_of_the_product_and_nothing_else() -> None:
    packages = ("router_core", "agents", "edge_runtime", "gateway", "tests")
    ours = [path for path in python_files() if path.parts[0] == "infra"]
    assert len(ours) > 20
    strangers = {
        f"{path}:{line}": name
        for path in ours
        for line, name in imports(path)
        if name.split(".")[0] in packages and not name.startswith(NAMES_ONLY)
    }
    assert {where: name for where, name in strangers.items() if name != "router_core"} == {}


def test_functions_of_all_kinds_have_different_names() -> None:
    assert len({*NAMES, *deployment.FUNCTIONS}) == len(NAMES) + len(deployment.FUNCTIONS)


def test_names_fit_where_they_go() -> None:
    for name, environment in ENVIRONMENTS.items():
        for what in (
            deployment.ARCHIVE_BUCKET,
            deployment.MODELS_BUCKET,
            deployment.LAKE_BUCKET,
            "access-logs",
        ):
            assert len(bucket_name(environment, what)) <= 63
        for what in (*NAMES, *deployment.FUNCTIONS):
            assert len(deployment.resource_name(name, f"{what}-function")) <= 64
        assert len(deployment.usage_key(name)) >= 20


def test_an_environment_goes_to_the_account_and_region_it_is_told() -> None:
    app = App(context={"env": "prod", "account": "999988887777", "region": "us-west-2"})
    chosen = chosen_environment(app)
    zones = ("us-west-2a", "us-west-2b", "us-west-2c")
    assert chosen == replace(ENVIRONMENTS["prod"], account="999988887777", region="us-west-2", zones=zones)
    assert arn(chosen, "kinesis", "stream/one") == "arn:aws:kinesis:us-west-2:999988887777:stream/one"


def test_an_environment_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="choose one of dev, staging, prod"):
        chosen_environment(App(context={"env": "production"}))


def test_environments_differ_in_values_and_agree_in_shape() -> None:
    assert tuple(ENVIRONMENTS) == deployment.ENVIRONMENTS
    assert len({environment.account for environment in ENVIRONMENTS.values()}) == len(ENVIRONMENTS)
    assert len({environment.network.cidr for environment in ENVIRONMENTS.values()}) == len(ENVIRONMENTS)
    for environment in ENVIRONMENTS.values():
        assert all(zone.startswith(environment.region) for zone in environment.zones)
        reserved = environment.functions.reserved
        assert reserved is None or environment.functions.provisioned <= reserved
