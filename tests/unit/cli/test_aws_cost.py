"""What a deployment costs: every line priced, sums that add up, and templates read as AWS bills them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.parser import main
from gateway.cost.bill import bill_of, bill_of_folder, packaged_bill
from gateway.cost.pricing import load_prices, monthly
from gateway.cost.usage import MODES, Assumptions, used
from router_core.deployment import ENVIRONMENTS
from router_core.errors import ConfigurationError

PAGE = (Path(__file__).parents[3] / "docs" / "aws-cost.md").read_text()


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_line_of_a_packaged_bill_has_a_price(env: str) -> None:
    cost = monthly(packaged_bill(env), Assumptions(), 1e6, load_prices())
    assert cost.unpriced == ()
    assert cost.idle_usd > 50.0


@pytest.mark.parametrize("mode", MODES)
def test_every_use_has_a_price(mode: str) -> None:
    assert {key for key, _ in used(Assumptions(mode=mode), 1.0)} <= load_prices().usd.keys()


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_the_page_says_what_the_command_says(env: str) -> None:
    cost = monthly(packaged_bill(env), Assumptions(), 1e6, load_prices())
    (node,) = cost.nodes
    row = f"| {env} | {cost.idle_usd:,.2f} | {cost.per_million_usd:,.2f} | {node.usd:,.2f} ({node.key.rpartition('/')[2]}) |"
    assert row in PAGE


@pytest.mark.parametrize(
    ("mode", "said"), [("state-machine", "answered by the stages"), ("async", "asynchronous")]
)
def test_the_page_says_what_the_state_machines_cost(mode: str, said: str) -> None:
    cost = monthly({}, Assumptions(mode=mode), 1e6, load_prices())
    assert f"| any, {said} | | {cost.per_million_usd:,.2f} | |" in PAGE


def test_the_door_that_waits_is_paid_for_beside_the_stage_that_works() -> None:
    seconds = {mode: dict(used(Assumptions(mode=mode), 1.0))["lambda.gb_second"] for mode in MODES}
    assert seconds["state-machine"] > 2 * seconds["one-function"] > seconds["async"]


def test_no_request_costs_nothing_but_what_stands() -> None:
    cost = monthly(packaged_bill("dev"), Assumptions(), 0.0, load_prices())
    assert (cost.usage_usd, cost.per_million_usd) == (0.0, 0.0)


def test_usage_grows_with_requests_and_idle_does_not() -> None:
    once, twice = (monthly(packaged_bill("prod"), Assumptions(), n, load_prices()) for n in (1e6, 2e6))
    assert twice.usage_usd == pytest.approx(2 * once.usage_usd)
    assert twice.idle_usd == once.idle_usd


def test_resources_cost_what_aws_bills_them_by() -> None:
    task = {"RequiresCompatibilities": ["FARGATE"], "Cpu": "512", "Memory": "2048"}
    resources: dict[str, dict[str, Any]] = {
        "Nat": {"Type": "AWS::EC2::NatGateway"},
        "Private": _of("AWS::EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=["a", "b"]),
        "Free": _of("AWS::EC2::VPCEndpoint", VpcEndpointType="Gateway"),
        "Task": _of("AWS::ECS::TaskDefinition", **task),
        "Service": _of("AWS::ECS::Service", TaskDefinition={"Ref": "Task"}, DesiredCount=3),
        "Function": _of("AWS::Lambda::Function", MemorySize=2048),
        "Warm": _of(
            "AWS::Lambda::Alias",
            FunctionName={"Ref": "Function"},
            ProvisionedConcurrencyConfig={"ProvisionedConcurrentExecutions": 2},
        ),
        "Stream": _of("AWS::Kinesis::Stream", StreamModeDetails={"StreamMode": "ON_DEMAND"}),
        "Role": {"Type": "AWS::IAM::Role"},
    }
    assert bill_of(resources) == {
        "ec2.nat_gateway_hour": 1,
        "ec2.vpc_endpoint_hour": 2,
        "fargate.vcpu_hour": 1.5,
        "fargate.gb_hour": 6.0,
        "lambda.provisioned_gb_second": 2 * 2 * 3600,
        "kinesis.on_demand_hour": 1,
    }


def _of(kind: str, **properties: object) -> dict[str, object]:
    return {"Type": kind, "Properties": properties}


def test_the_command_prints_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["aws", "cost", "--env", "prod", "--requests", "250k", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["requests"] == 250_000
    assert told["total_usd"] == pytest.approx(told["idle_usd"] + told["usage_usd"], abs=0.02)
    assert sum(line["usd"] for line in told["usage"]) == pytest.approx(told["usage_usd"], abs=0.01)


@pytest.mark.parametrize(
    "wrong", [["--requests", "many"], ["--requests", "-1"], ["--cloud-share", "2"], ["--seconds", "nan"]]
)
def test_wrong_numbers_are_wrong_usage(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["aws", "cost", "--env", "dev", *wrong])
    assert left.value.code == 2
    assert "must be" in capsys.readouterr().err


def test_what_cannot_be_priced_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["aws", "cost", "--env", "dev", "--model", "unheard-of"]) == 1
    assert "no price is known for model unheard-of" in capsys.readouterr().err
    with pytest.raises(ConfigurationError, match="no templates"):
        bill_of_folder(tmp_path)
    (tmp_path / "prices.json").write_text('{"date": "x", "region": "y", "source": "z", "prices": {"a": -1}}')
    with pytest.raises(ConfigurationError, match="cannot be"):
        load_prices(tmp_path / "prices.json")
