"""Devices at the gateway: bundles are signed and kept, reports are taken once and by their own tenant."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.protocol.bundle import read_bundle
from edge_runtime.protocol.envelope import BUNDLE_TYPE, Trust, new_key, signer
from gateway.http.device.marks import FileMarks
from gateway.http.device.routes import DeviceDesk
from gateway.http.edge import Gateway
from tests.unit.gateway.asgi import OTHER, application, call
from tests.unit.gateway.scripted import ScriptedRouter

PRIVATE, PUBLIC = new_key()
REPORT = {"id": "rep_12345678", "target": "device/intent-v1", "status": "completed", "latency_ms": 3.0}


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def desk(folder: Path, clock: Clock, *, signing: bool = True) -> DeviceDesk:
    marks = FileMarks(folder / "marks.sqlite")
    return DeviceDesk(marks=marks, sign=signer(PRIVATE) if signing else None, ttl_s=600.0, now_s=clock)


def opened(folder: Path, router: ScriptedRouter | None = None) -> Gateway:
    return application(router, device=desk(folder, Clock()))


async def test_a_bundle_is_kept_until_half_of_its_time_is_over(tmp_path: Path) -> None:
    clock = Clock()
    app = application(device=desk(tmp_path, clock))
    first = await call(app, "GET", "/device/bundle")
    bundle = read_bundle(Trust([PUBLIC]).open(first.body, BUNDLE_TYPE))
    assert (bundle.issued_s, bundle.expires_s) == (clock.now, clock.now + 600.0)
    clock.now += 299.0
    kept = await call(app, "GET", "/device/bundle", headers={"if-none-match": first.headers["etag"]})
    assert (kept.status, kept.body) == (304, b"")
    clock.now += 2.0
    fresh = await call(app, "GET", "/device/bundle", headers={"if-none-match": first.headers["etag"]})
    assert fresh.status == 200
    assert read_bundle(Trust([PUBLIC]).open(fresh.body, BUNDLE_TYPE)).serial > bundle.serial


async def test_without_a_key_there_is_no_bundle_and_nobody_gets_in(tmp_path: Path) -> None:
    app = application(device=desk(tmp_path, Clock(), signing=False))
    assert (await call(app, "GET", "/device/bundle")).status == 404
    assert (await call(app, "GET", "/device/bundle", key=None)).status == 401
    assert (await call(app, "POST", "/device/outcomes", {"reports": [REPORT]}, key="wrong")).status == 401


async def test_a_batch_counts_once_also_after_a_restart_and_each_tenant_for_itself(tmp_path: Path) -> None:
    body = {
        "reports": [REPORT, {**REPORT, "id": "rep_23456789"}, {**REPORT, "id": "rep_3456789a", "target": "x"}]
    }
    first = await call(opened(tmp_path), "POST", "/device/outcomes", body)
    assert first.json == {"taken": 2, "repeated": 0, "unknown_targets": 1}
    again = await call(opened(tmp_path), "POST", "/device/outcomes", body)
    assert again.json == {"taken": 0, "repeated": 2, "unknown_targets": 1}
    other = await call(opened(tmp_path), "POST", "/device/outcomes", body, key=OTHER)
    assert other.json["taken"] == 2


async def test_what_a_device_must_not_say_is_refused(tmp_path: Path) -> None:
    app = opened(tmp_path)
    for wrong in ({"prompt": "words"}, {"id": "../../x"}, {"status": "maybe"}, {"latency_ms": -1}):
        assert (await call(app, "POST", "/device/outcomes", {"reports": [{**REPORT, **wrong}]})).status == 400
    many = {"reports": [{**REPORT, "id": f"rep_{n:08d}"} for n in range(257)]}
    assert (await call(app, "POST", "/device/outcomes", many)).status == 400
