"""Models that come over the network: right or not at all, whatever happens on the way, and the old one keeps serving."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_runtime.library.versions import Conditions, RefusedModelError, Versions
from edge_runtime.protocol.envelope import Trust, new_key
from tests.unit.edge_runtime.model_server import PUBLIC, Site, model_files, serving

HOME = Conditions()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as opened:
        yield opened


@pytest.fixture
def versions(tmp_path: Path, site: Site) -> Versions:
    """A library in which version 1 serves."""
    library = Versions(tmp_path / "models", Trust([PUBLIC]))
    library.pull(site.publish("m", "1", model_files(10_000)), HOME)
    library.activate("m", "1")
    return library


def test_a_pulled_version_is_whole_and_pulled_once(versions: Versions, site: Site) -> None:
    files = model_files(300_000, seed=2)
    url = site.publish("m", "2", files)
    versions.pull(url, HOME)
    folder = versions.folder("m", "2")
    assert {name: (folder / name).read_bytes() for name in files} == files
    asked = len(site.asked)
    versions.pull(url, HOME)
    assert len(site.asked) == asked + 1  # the manifest alone
    assert versions.standing("m").active == "1"


def test_lines_that_die_at_random_offsets_end_in_the_right_file(versions: Versions, site: Site) -> None:
    files, chance, tries = model_files(400_000, seed=3), random.Random(5), 0
    url = site.publish("m", "3", files)
    while True:
        tries += 1
        site.cut_after = chance.randrange(30_000)
        try:
            versions.pull(url, HOME)
        except RefusedModelError:
            continue
        break
    assert tries > 10
    assert (versions.folder("m", "3") / "model.onnx").read_bytes() == files["model.onnx"]


PULL = """
import sys
from pathlib import Path
from edge_runtime.library.download import Line
from edge_runtime.library.versions import Conditions, Versions
from edge_runtime.protocol.envelope import Trust
left = int(sys.argv[4])
def progress(count):
    global left
    left -= count
    if left <= 0:
        print("now", flush=True)
        sys.stdin.readline()
Versions(Path(sys.argv[1]), Trust([sys.argv[2]])).pull(sys.argv[3], Conditions(), Line(progress=progress))
print("done", flush=True)
"""


def test_a_download_killed_again_and_again_ends_in_the_right_file(
    tmp_path: Path, site: Site, at_size: Callable[[int, int], int]
) -> None:
    kills = at_size(5, 50)
    size = 131_072 * (kills + 2)
    files, chance = model_files(size, seed=4), random.Random(9)
    url = site.publish("m", "4", files)
    for _ in range(kills):
        arguments = [str(tmp_path), PUBLIC, url, str(chance.randrange(1, 131_072))]
        with subprocess.Popen(
            [sys.executable, "-c", PULL, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as puller:
            assert puller.stdout is not None
            assert puller.stdout.readline() == "now\n"
            puller.send_signal(signal.SIGKILL)
    library = Versions(tmp_path, Trust([PUBLIC]))
    assert not library.folder("m", "4").exists()
    library.pull(url, HOME)
    written = (library.folder("m", "4") / "model.onnx").read_bytes()
    assert hashlib.sha256(written).digest() == hashlib.sha256(files["model.onnx"]).digest()


def _forged(site: Site) -> str:
    url = site.publish("m", "2", model_files(1_000))
    site.files["/m/2/manifest.dsse.json"] = site.files["/m/2/manifest.dsse.json"].replace(
        b"payload", b"payl0ad"
    )
    return url


def _changed(site: Site) -> str:
    url = site.publish("m", "2", model_files(1_000))
    site.files["/m/2/model.onnx"] = bytes(1_000)
    return url


def _longer(site: Site) -> str:
    url = site.publish("m", "2", model_files(1_000))
    site.files["/m/2/model.onnx"] += b"more"
    return url


def _outside(site: Site) -> str:
    return site.publish("m", "2", model_files(1_000), files={"../x": {"bytes": 1, "sha256": "0" * 64}})


def _unranged(site: Site) -> str:
    url = site.publish("m", "2", model_files(1_000))
    del site.files["/m/2/labels.json"]
    return url


@pytest.mark.parametrize("prepare", [_forged, _changed, _longer, _outside, _unranged])
def test_what_is_not_right_is_refused_and_the_old_model_keeps_serving(
    versions: Versions, site: Site, prepare: object
) -> None:
    with pytest.raises(RefusedModelError):
        versions.pull(prepare(site), HOME)  # type: ignore[operator]  # a function by construction
    assert versions.standing("m").active == "1"
    assert not versions.folder("m", "2").exists()
    assert (versions.folder("m", "1") / "model.onnx").stat().st_size == 10_000


def test_another_key_and_plain_http_from_elsewhere_are_refused(tmp_path: Path, site: Site) -> None:
    url = site.publish("m", "1", model_files(1_000))
    with pytest.raises(RefusedModelError):
        Versions(tmp_path, Trust([new_key()[1]])).pull(url, HOME)
    with pytest.raises(RefusedModelError, match="HTTPS"):
        Versions(tmp_path, Trust([PUBLIC])).pull("http://models.example/m/1", HOME)


@pytest.mark.parametrize(
    ("conditions", "why"),
    [
        (Conditions(metered=True), "Wi-Fi"),
        (Conditions(metered=None), "Wi-Fi"),
        (Conditions(charging_only=True, charging=False), "charging"),
        (Conditions(max_bytes=100), "limit"),
        (Conditions(memory_mb=32), "memory"),
    ],
)
def test_nothing_is_fetched_against_the_rules(
    versions: Versions, site: Site, conditions: Conditions, why: str
) -> None:
    url = site.publish("m", "2", model_files(1_000))
    asked = len(site.asked)
    with pytest.raises(RefusedModelError, match=why):
        versions.pull(url, conditions)
    assert len(site.asked) == asked + 1


def test_a_full_disk_is_noticed_before_the_download(tmp_path: Path, site: Site) -> None:
    library = Versions(tmp_path, Trust([PUBLIC]), free_bytes=lambda _: 1_000_000)
    with pytest.raises(RefusedModelError, match="disk"):
        library.pull(site.publish("m", "1", model_files(1_000)), HOME)


def test_a_trial_is_sticky_takes_its_share_and_a_failed_version_never_comes_back(
    versions: Versions, site: Site
) -> None:
    versions.pull(site.publish("m", "2", model_files(1_000)), HOME)
    versions.try_out("m", "2", share=0.25)
    drawn = [versions.chosen("m", f"device-{n}") for n in range(1_000)]
    assert drawn == [versions.chosen("m", f"device-{n}") for n in range(1_000)]
    assert 200 <= drawn.count("2") <= 300
    with pytest.raises(RefusedModelError):
        versions.evict("m", "2")
    versions.roll_back("m")
    assert {versions.chosen("m", f"device-{n}") for n in range(50)} == {"1"}
    with pytest.raises(RefusedModelError):
        versions.try_out("m", "2", share=1.0)
    versions.evict("m", "2")
    assert not versions.folder("m", "2").exists()
