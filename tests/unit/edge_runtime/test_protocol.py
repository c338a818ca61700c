"""The device protocol: what is written down is what is sent, and the vectors are what is decided."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest

from edge_runtime.protocol.bundle import read_bundle
from gateway.http.wire.decoding import BodyDecoder
from gateway.http.wire.device import OutcomesBody
from router_core.context import RequestContext
from router_core.routing.table import compile_table
from tests.e2e.device.house import envelope
from tests.unit.edge_runtime.vectors import FILE, answer, payload, vectors

ROOT = Path(__file__).parents[3]
SCHEMAS = json.loads((ROOT / "docs" / "device-protocol" / "schemas.json").read_text())
CASES = 1_000


def check(name: str, document: object) -> None:
    """Raises when the document is not of this kind."""
    jsonschema.Draft202012Validator({**SCHEMAS, "$ref": f"#/$defs/{name}"}).validate(document)


def test_the_committed_vectors_are_what_is_decided() -> None:
    document = json.loads(FILE.read_text())
    bundle = read_bundle(json.dumps(document["bundle"]).encode())
    table = compile_table(bundle.state, bundle.policy)
    for case in document["cases"]:
        assert answer(RequestContext.from_features(case["features"]), table) == case["decision"]
    chosen = {case["decision"]["target"] for case in document["cases"]}
    assert chosen == {None, "device/intent-v1", "mec/a", "mec/b", "cloud/big"}


def test_what_is_sent_is_what_the_schemas_say() -> None:
    check("bundle", json.loads(payload()))
    check("envelope", json.loads(envelope()))
    body = {
        "reports": [
            {"id": "rep_12345678", "target": "device/intent-v1", "status": "failed", "reason": "refused"}
        ],
        "judgements": [
            {"id": "jud_12345678", "report": "rep_12345678", "target": "device/intent-v1", "score": 1}
        ],
    }
    check("outcomes", body)
    BodyDecoder(OutcomesBody).decode(json.dumps(body).encode())


@pytest.mark.parametrize(
    "change",
    [{"id": "short"}, {"status": "done"}, {"reason": "tired"}, {"latency_ms": -1}, {"text": "a word"}],
)
def test_schema_and_gateway_refuse_the_same(change: dict[str, object]) -> None:
    report = {"id": "rep_12345678", "target": "device/intent-v1", "status": "completed", **change}
    with pytest.raises(jsonschema.ValidationError):
        check("outcomes", {"reports": [report]})
    with pytest.raises(Exception, match=r"reports"):
        BodyDecoder(OutcomesBody).decode(json.dumps({"reports": [report]}).encode())


def test_a_second_language_decides_the_same(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    file = tmp_path / "vectors.json"
    file.write_text(json.dumps(vectors(CASES, seed=23)))
    client = ROOT / "sdk" / "typescript"
    done = subprocess.run(
        [node, str(client / "vectors.mjs"), str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    assert f"{CASES} of {CASES}" in done.stdout
