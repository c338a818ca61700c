"""Checks AWS Signature Version 4 for real: the signature is computed again with botocore's own signer.

A client that signs wrongly must fail here as it would at AWS, or the stand-in would prove nothing about it.
Only what the server knows is used: the secret, the bytes that arrived, and the clock.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from gateway.sandbox.wire import Request

MAX_SKEW_S = 300
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/, ]{1,128})/(?P<date>\d{8})/(?P<region>[a-z0-9-]{1,32})"
    r"/(?P<service>[a-z0-9-]{1,32})/aws4_request, ?SignedHeaders=(?P<signed>[a-z0-9;-]{1,2048}), ?"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsKeys:
    """The one access key that the stand-in accepts."""

    access_key_id: str
    secret_access_key: str

    def __repr__(self) -> str:
        return f"AwsKeys(access_key_id={self.access_key_id!r}, secret_access_key='***')"


class SignatureError(Exception):
    """The request is not signed as it must be; `code` is the AWS error code, always HTTP 403."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def check_signature(request: Request, keys: AwsKeys, now: datetime | None = None) -> None:
    """Accept a correctly signed request. Raises `SignatureError` for any other."""
    claim = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if claim is None:
        raise SignatureError("MissingAuthenticationTokenException", "Missing Authentication Token")
    if claim["key"] != keys.access_key_id:
        raise SignatureError(
            "UnrecognizedClientException", "The security token included in the request is invalid."
        )
    if claim["service"] != "bedrock":
        raise SignatureError(
            "InvalidSignatureException", "Credential should be scoped to correct service: 'bedrock'."
        )
    signed = claim["signed"].split(";")
    if "host" not in signed:
        raise SignatureError("InvalidSignatureException", "'Host' must be a 'SignedHeader' in the request.")
    _check_date(request, claim["date"], now or datetime.now(UTC))
    _check_body_hash(request)
    if not hmac.compare_digest(_expected(request, signed, claim["region"], keys), claim["signature"]):
        raise SignatureError(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided.",
        )


def _check_date(request: Request, scope_date: str, now: datetime) -> None:
    stamp = request.headers.get("x-amz-date", "")
    try:
        signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise SignatureError("IncompleteSignatureException", "X-Amz-Date is missing or malformed.") from None
    if stamp[:8] != scope_date:
        raise SignatureError(
            "InvalidSignatureException", "Date in Credential scope does not match X-Amz-Date."
        )
    if abs((now - signed_at).total_seconds()) > MAX_SKEW_S:
        raise SignatureError("InvalidSignatureException", f"Signature expired or not yet current: {stamp}")


def _check_body_hash(request: Request) -> None:
    """botocore's signer believes this header, so a body that differs from it must be caught before."""
    claimed = request.headers.get("x-amz-content-sha256")
    if claimed is not None and claimed != hashlib.sha256(request.body).hexdigest():
        raise SignatureError("InvalidSignatureException", "The provided body does not match its signed hash.")


def _expected(request: Request, signed: list[str], region: str, keys: AwsKeys) -> str:
    auth: Any = import_module("botocore.auth")
    query = f"?{request.query}" if request.query else ""
    again: Any = import_module("botocore.awsrequest").AWSRequest(
        method=request.method,
        url=f"http://{request.headers.get('host', '')}{request.raw_path}{query}",
        data=request.body,
        headers={name: request.headers.get(name, "") for name in signed},
    )
    again.context["timestamp"] = request.headers["x-amz-date"]
    credentials = import_module("botocore.credentials").Credentials(
        keys.access_key_id, keys.secret_access_key
    )
    signer = auth.SigV4Auth(credentials, "bedrock", region)
    return str(signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again))
