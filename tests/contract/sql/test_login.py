"""Logging in with tokens over TLS, on a real PostgreSQL that speaks nothing else: as workers log in to RDS."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import boto3
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import Connection

from router_core.adapters.aws.rds_login import RdsLogin
from router_core.adapters.sql.database import Database, database_url
from router_core.errors import StoreError
from tests.contract.sql.servers import binary, running_postgres

HOST, USER = "127.0.0.1", "tierwise_jobs"


def test_a_token_is_signed_for_one_user_of_one_place_and_no_call_is_made() -> None:
    session = boto3.session.Session("AKID", "secret", region_name="eu-central-1")
    login = RdsLogin(session.client("rds"), host="db.example.internal", port=5433, user=USER)
    token = login()
    asked = parse_qs(urlsplit(f"https://{token}").query)
    assert token.startswith("db.example.internal:5433/?")
    assert (asked["Action"], asked["DBUser"], asked["X-Amz-Expires"]) == (["connect"], [USER], ["900"])
    assert "secret" not in token


def test_without_credentials_it_is_a_store_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    login = RdsLogin(
        boto3.session.Session(region_name="eu-central-1").client("rds"), host="h", port=1, user="u"
    )
    with pytest.raises(StoreError, match=r"^the database was asked without credentials"):
        login()


class Authority:
    """Signs a server's certificate."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._signed(self.name, self.key, authority=True)

    def server(self) -> tuple[bytes, bytes]:
        """Certificate and key for this machine."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
        return _pem(self._signed(name, key, authority=False)), key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


class Tokens:
    """Logins whose password changes each time, as the server is told at the same moment."""

    def __init__(self, admin_url: str) -> None:
        self._admin_url, self.given = admin_url, 0

    def __call__(self) -> str:
        self.given += 1
        token = f"{HOST}/?Action=connect&n={self.given}"
        with psycopg.connect(self._admin_url, autocommit=True) as admin:
            admin.execute(f"ALTER ROLE {USER} PASSWORD '{token}'")
        return token


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, Path]]:
    """Address of a server that takes the user over TLS only, the authority's file, and a stranger's."""
    if binary("initdb") is None:
        pytest.skip("postgresql is not installed here (initdb)")
    folder = tmp_path_factory.mktemp("tls")
    ours, stranger = Authority("ours"), Authority("another")
    certificate, key = ours.server()
    for name, authority in (("ca.pem", ours), ("stranger.pem", stranger)):
        (folder / name).write_bytes(_pem(authority.certificate))
    with running_postgres() as url:
        with psycopg.connect(url, autocommit=True) as admin:
            row = admin.execute("SHOW data_directory").fetchone()
            assert row is not None
            data = Path(row[0])
            _install(data / "server.crt", certificate)
            _install(data / "server.key", key)
            rules = f"hostssl all {USER} 127.0.0.1/32 scram-sha-256\nhost all tierwise 127.0.0.1/32 trust\n"
            (data / "pg_hba.conf").write_text(rules)
            admin.execute("ALTER SYSTEM SET ssl = on")
            admin.execute(f"CREATE ROLE {USER} LOGIN")
            admin.execute("SELECT pg_reload_conf()")
        yield url, folder / "ca.pem", folder / "stranger.pem"


def _install(file: Path, content: bytes) -> None:
    """A file that the server reads: as root, it runs as `nobody`."""
    file.write_bytes(content)
    file.chmod(0o600)
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(file, nobody.pw_uid, nobody.pw_gid)


async def _who(database: Database) -> tuple[str, bool]:
    def act(connection: Connection) -> tuple[str, bool]:
        row = connection.exec_driver_sql(
            "SELECT current_user, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        ).one()
        return str(row[0]), bool(row[1])

    try:
        return await database.read(act)
    finally:
        await database.close()


def address(url: str) -> str:
    return url.replace("//tierwise@", f"//{USER}@")


async def test_each_connection_has_a_token_of_its_own_over_tls(site: tuple[str, Path, Path]) -> None:
    url, authority, _ = site
    tokens = Tokens(url)
    for number in (1, 2):
        database = Database(database_url(address(url), None), login=tokens, ca_file=str(authority))
        assert await _who(database) == (USER, True)
        assert tokens.given == number


async def test_a_server_that_another_vouches_for_gets_no_token(site: tuple[str, Path, Path]) -> None:
    url, _, stranger = site
    database = Database(database_url(address(url), None), login=Tokens(url), ca_file=str(stranger))
    with pytest.raises(StoreError, match=r"^the job store cannot be reached$"):
        await _who(database)


async def test_an_old_token_opens_nothing(site: tuple[str, Path, Path]) -> None:
    url, authority, _ = site
    Tokens(url)()
    database = Database(database_url(address(url), None), login=lambda: "stale", ca_file=str(authority))
    with pytest.raises(StoreError, match=r"^the job store cannot be reached$"):
        await _who(database)
