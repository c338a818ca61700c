"""Signed documents: what a device believes, and what it must not."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest

from edge_runtime.protocol.bundle import BundleError, read_bundle
from edge_runtime.protocol.envelope import (
    BUNDLE_TYPE,
    MANIFEST_TYPE,
    SignatureError,
    Trust,
    new_key,
    signed_bytes,
    signer,
)
from edge_runtime.sdk.trusted import FILE, BundleKeeper
from router_core.errors import ConfigurationError
from tests.e2e.device.house import PUBLIC, envelope

SECRET, OTHER = new_key(), new_key()


def test_the_signed_bytes_are_those_of_the_specification() -> None:
    assert signed_bytes("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_a_trusted_signature_opens_and_a_key_can_be_replaced() -> None:
    sealed = signer(SECRET[0])(BUNDLE_TYPE, b"{}")
    assert Trust([OTHER[1], SECRET[1]]).open(sealed, BUNDLE_TYPE) == b"{}"


@pytest.mark.parametrize(
    "change",
    [
        lambda d: {**d, "payload": base64.b64encode(b"{} ").decode()},
        lambda d: {**d, "signatures": []},
        lambda d: {**d, "signatures": [{**d["signatures"][0], "keyid": "0" * 16}]},
        lambda d: {**d, "signatures": [{**d["signatures"][0], "sig": "AAAA"}]},
        lambda d: {**d, "payloadType": MANIFEST_TYPE},
        lambda d: {"payload": d["payload"]},
        lambda d: [],
    ],
)
def test_anything_changed_is_refused(change: object) -> None:
    sealed = json.loads(signer(SECRET[0])(BUNDLE_TYPE, b"{}"))
    forged = json.dumps(change(sealed)).encode()  # type: ignore[operator]  # a function by construction
    with pytest.raises(SignatureError):
        Trust([SECRET[1]]).open(forged, BUNDLE_TYPE)


def test_a_document_of_one_kind_is_no_document_of_another() -> None:
    sealed = signer(SECRET[0])(MANIFEST_TYPE, b"{}")
    renamed = sealed.replace(MANIFEST_TYPE.encode(), BUNDLE_TYPE.encode())
    with pytest.raises(SignatureError):
        Trust([SECRET[1]]).open(renamed, BUNDLE_TYPE)


@pytest.mark.parametrize("text", ["", "abc", "AAAA", base64.b64encode(bytes(31)).decode()])
def test_a_key_of_another_form_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ConfigurationError):
        Trust([text])
    with pytest.raises(ConfigurationError):
        signer(text)


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"schema": 2}', b'{"schema": 1, "targets": 5}'])
def test_a_signed_bundle_that_cannot_be_read_is_refused(payload: bytes) -> None:
    with pytest.raises(BundleError):
        read_bundle(payload)


def test_the_good_bundle_stays_whatever_comes_after_it(tmp_path: Path) -> None:
    keeper = BundleKeeper(Trust([PUBLIC]), tmp_path)
    now = time.time()
    good = envelope(issued_s=now)
    assert keeper.standing == "none"
    assert keeper.offer(good)
    kept = keeper.bundle
    for bad in (
        b"",
        envelope(private=OTHER[0], issued_s=now + 5),  # signed by somebody else
        good.replace(b'"sig":"', b'"sig":"A'),
        envelope(issued_s=now - 60),  # older than what is there
        envelope(issued_s=now - 7200, ttl_s=60),  # expired before it came
    ):
        assert not keeper.offer(bad)
    assert keeper.bundle is kept
    assert (keeper.standing, keeper.refused) == ("signed", 5)


def test_it_survives_a_restart_and_a_touched_file_counts_as_none(tmp_path: Path) -> None:
    BundleKeeper(Trust([PUBLIC]), tmp_path).offer(envelope())
    assert BundleKeeper(Trust([PUBLIC]), tmp_path).standing == "signed"
    assert BundleKeeper(Trust([OTHER[1]]), tmp_path).standing == "none"
    (tmp_path / FILE).write_bytes(b"{")
    assert BundleKeeper(Trust([PUBLIC]), tmp_path).standing == "none"


def test_a_bundle_expires_and_a_clock_set_back_does_not_revive_it(tmp_path: Path) -> None:
    now = [time.time()]
    keeper = BundleKeeper(Trust([PUBLIC]), tmp_path, lambda: now[0])
    keeper.offer(envelope(issued_s=now[0], ttl_s=60))
    for seconds, standing in ((59, "signed"), (2, "expired"), (-3600, "expired")):
        now[0] += seconds
        assert keeper.standing == standing
