"""Signatures compared with botocore's signer, which is the reference."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from router_core.adapters.models.sigv4 import AwsKeys, Signer
from router_core.errors import RefusedError

HOST = "bedrock-runtime.eu-central-1.amazonaws.com"
KEYS = AwsKeys(access_key_id="AKIDEXAMPLE", secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCY")
TEMPORARY = AwsKeys(access_key_id="ASIDEXAMPLE", secret_access_key="other", session_token="to/ken+==")
NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def parsed(headers: bytes) -> dict[str, str]:
    lines = headers.decode().splitlines()
    return dict(line.split(": ", 1) for line in lines)


def reference(keys: AwsKeys, path: str, body: bytes, at: datetime) -> str:
    """The authorization header botocore would send."""
    stamp = at.strftime("%Y%m%dT%H%M%SZ")
    headers = {"content-type": "application/json", "host": HOST, "x-amz-date": stamp}
    if keys.session_token:
        headers["x-amz-security-token"] = keys.session_token
    request = AWSRequest(method="POST", url=f"https://{HOST}{path}", data=body, headers=headers)
    request.context["timestamp"] = stamp
    boto = BotoCredentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    signer = SigV4Auth(boto, "bedrock", "eu-central-1")
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    signed = signer.signed_headers(signer.headers_to_sign(request))
    return (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={signed}, Signature={signature}"
    )


def signer() -> Signer:
    return Signer(region="eu-central-1", service="bedrock", host=HOST)


@given(
    model=st.text(
        st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters=" "),
        min_size=1,
        max_size=40,
    ),
    body=st.binary(max_size=200),
    keys=st.sampled_from([KEYS, TEMPORARY]),
    offset=st.integers(0, 10**9),
)
def test_every_signature_is_botocores(model: str, body: bytes, keys: AwsKeys, offset: int) -> None:
    at = NOON - timedelta(seconds=offset)
    path = f"/model/{quote(model, safe='-._~')}/converse"
    assert parsed(signer().headers(keys, path, body, at))["authorization"] == reference(keys, path, body, at)


def test_an_arn_with_slashes_and_colons_is_encoded_twice_for_the_signature() -> None:
    arn = "arn:aws:bedrock:eu-central-1:111122223333:inference-profile/eu.amazon.nova-pro-v1:0"
    path = f"/model/{quote(arn, safe='-._~')}/converse-stream"
    assert "%3A" in path
    assert "%2F" in path
    assert parsed(signer().headers(KEYS, path, b"{}", NOON))["authorization"] == reference(
        KEYS, path, b"{}", NOON
    )


def test_the_derived_key_follows_the_day_and_the_keys() -> None:
    """One signer over midnight and over a change of keys; a stale derived key would sign wrongly."""
    one = signer()
    for keys, at in [(KEYS, NOON), (KEYS, NOON + timedelta(days=1)), (TEMPORARY, NOON), (KEYS, NOON)]:
        for _ in range(2):
            given = parsed(one.headers(keys, "/model/m/converse", b"{}", at))["authorization"]
            assert given == reference(keys, "/model/m/converse", b"{}", at)


def test_a_session_token_is_sent_and_signed() -> None:
    headers = parsed(signer().headers(TEMPORARY, "/model/m/converse", b"{}", NOON))
    assert headers["x-amz-security-token"] == "to/ken+=="
    assert "x-amz-security-token," in headers["authorization"].replace(";", ",").split("SignedHeaders=")[1]


def test_keys_do_not_show() -> None:
    assert "other" not in repr(TEMPORARY)
    assert "to/ken" not in repr(TEMPORARY)


def test_a_token_with_a_line_break_is_refused() -> None:
    keys = AwsKeys(access_key_id="A", secret_access_key="s", session_token="a\r\nx-evil: 1")
    with pytest.raises(RefusedError):
        signer().headers(keys, "/", b"", NOON)
