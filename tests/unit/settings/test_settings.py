"""Settings: every wrong key is named, variables win, and a secret never shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings.loading import check_url, load
from gateway.settings.schema import Settings, TargetSettings
from gateway.settings.secrets import Secret, SecretRef, parse_reference, resolve
from router_core.errors import ConfigurationError

EDGE = '{"name": "mec/a", "base_url": "http://10.0.0.5:8000/v1", "model": "llama-3.1-8b"}'
CANARY = "sk-canary-7d1f0c"

FULL = """
[server]
host = "127.0.0.1"
port = 9000
workers = 2
region = "eu-central-1"
[[targets]]
name = "mec/edge-a"
kind = "openai"
base_url = "http://10.0.0.5:8000/v1"
model = "llama-3.1-8b"
api_key = "env:EDGE_KEY"
price_in = 0.0
price_out = 0.0
context_tokens = 8192
modalities = ["text"]
region = "eu-central-1"
lat = 50.1
lon = 8.7
max_privacy = "confidential"
timeout_s = 60
[[targets]]
name = "cloud/nova-pro"
kind = "bedrock"
model = "amazon.nova-pro-v1:0"
region = "us-east-1"
[[keys]]
id = "phone-app"
tenant = "acme"
role = "user"
secret = "env:PHONE_KEY"
requests_per_min = 600
tokens_per_min = 100000
[aliases]
"gpt-4o" = "auto"
[policy]
file = "policy.json"
[events]
dir = "var/events"
"""


def from_text(tmp_path: Path, text: str, **environ: str) -> Settings:
    """Settings from a file of that text, and variables."""
    file = tmp_path / "tierwise.toml"
    file.write_text(text)
    return load(str(file), environ)


def test_the_contracts_example_is_read_in_full(tmp_path: Path) -> None:
    settings = from_text(tmp_path, FULL)
    assert (settings.server.port, settings.server.workers) == (9000, 2)
    edge, nova = settings.targets
    assert edge.api_key == SecretRef("env", "EDGE_KEY")
    assert (edge.timeout_s, edge.lat, edge.max_privacy) == (60.0, 50.1, "confidential")
    assert (nova.kind, nova.region) == ("bedrock", "us-east-1")
    assert settings.keys[0].requests_per_min == 600
    assert dict(settings.aliases) == {"gpt-4o": "auto"}
    assert settings.policy.file == Path("policy.json")


def test_without_file_and_variables_there_are_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(None, {}) == Settings()


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(str(tmp_path / "none.toml"), {})


def test_the_file_in_the_folder_gives_way_to_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tierwise.toml").write_text("[server]\nport = 1111\n")
    (tmp_path / "other.toml").write_text("[server]\nport = 2222\n")
    assert load(None, {}).server.port == 1111
    assert load(None, {"TIERWISE_CONFIG": str(tmp_path / "other.toml")}).server.port == 2222


@pytest.mark.parametrize(
    ("variable", "text", "read"),
    [
        ("TIERWISE_SERVER__PORT", "1234", lambda s: s.server.port == 1234),
        ("TIERWISE_SERVER__HOST", "0.0.0.0", lambda s: s.server.host == "0.0.0.0"),  # noqa: S104  # read, not bound
        ("TIERWISE_EVENTS__CONTENT_LOGGING", "false", lambda s: not s.events.content_logging),
        ("TIERWISE_EVENTS__DIR", "/data/events", lambda s: s.events.dir == Path("/data/events")),
        ("TIERWISE_TARGETS", f"[{EDGE}]", lambda s: [t.name for t in s.targets] == ["mec/a"]),
        ("TIERWISE_TARGETS__0__MODEL", "qwen3-8b", lambda s: s.targets[0].model == "qwen3-8b"),
        ("TIERWISE_TARGETS__0__API_KEY", "file:/run/key", lambda s: s.targets[0].api_key.scheme == "file"),
        ("TIERWISE_TARGETS__1__PRICE_IN", "0.5", lambda s: s.targets[1].price_in == 0.5),
        ("TIERWISE_TARGETS__0__TASKS", '["chat"]', lambda s: s.targets[0].tasks == ("chat",)),
        ("TIERWISE_TARGETS__0__MAX_PRIVACY", "public", lambda s: s.targets[0].max_privacy == "public"),
        ("TIERWISE_KEYS__0__REQUESTS_PER_MIN", "null", lambda s: s.keys[0].requests_per_min is None),
        (
            "TIERWISE_ALIASES",
            '{"gpt-4o-mini": "auto:cost"}',
            lambda s: dict(s.aliases) == {"gpt-4o-mini": "auto:cost"},
        ),
        ("TIERWISE_EVENTS__FSYNC", "always", lambda s: s.events.fsync == "always"),
    ],
)
def test_every_kind_of_key_is_overridden_by_its_variable(
    tmp_path: Path, variable: str, text: str, read: object
) -> None:
    assert callable(read)
    assert read(from_text(tmp_path, FULL, **{variable: text}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[sever]\nport = 1", "unknown key sever; did you mean server"),
        ("[server]\nprot = 1", "unknown key server.prot; did you mean server.port"),
        ("[[targets]]\nnmae = 'x'", r"unknown key targets\[0\].nmae; did you mean targets\[0\].name"),
        ("[server]\nport = 70000", "server.port must be between 0 and 65535"),
        ("[server]\nport = '80'", "server.port must be a whole number"),
        ("[server]\nport = true", "server.port must be a whole number"),
        ("[server]\nkeep_alive_s = nan", "server.keep_alive_s must be a number"),
        ("[events]\nfsync = 'often'", "events.fsync must be one of always, interval, never"),
        ("[events]\ncontent_logging = 1", "events.content_logging must be true or false"),
        ("[events]\ncontent_logging = true", "content_logging is not supported yet"),
        ("server = 3", "server must be a table"),
        ("targets = 3", "targets must be a list"),
        ("[[targets]]\nname = 'a b'", r"targets\[0\].name must be letters"),
        ("[[targets]]\nname = 'mec/a'\nkind = 'openai'\nmodel = 'm'", r"targets\[0\].base_url is missing"),
        ("[[targets]]\nname = 'd'\nkind = 'onnx'\nmodel = 'm'\nbase_url = 'http://x'", "base_url does not belong to kind onnx"),
        ("[[targets]]\nname = 'auto:x'\nkind = 'onnx'\nmodel = 'm'", "must not be auto"),
        ("[[targets]]\nname = 'd'\nkind = 'onnx'\nmodel = 'm'\nlat = 1.0", "lat and lon go together"),
        ("[[targets]]\nname = 'd'\nkind = 'onnx'\nmodel = 'm'\n[targets.quality]\nchat = 2.0", "quality maps a task"),
        ("[[targets]]\nname = 'd'\nkind = 'onnx'\nmodel = 'm'\n" * 2, "targets: d is there twice"),
        ("[[keys]]\nid = 'a'", r"keys\[0\].secret is missing"),
        ("[aliases]\nauto = 'auto'", "aliases.auto is not a possible alias"),
        ("[policy]\nfile = 'a'\nssm = '/b'", "exclude each other"),
        ("[server\nport=1", "is not valid TOML"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_the_key_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        from_text(tmp_path, text)


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("TIERWISE_SEVER__PORT", "1", "unknown key sever; did you mean server"),
        ("TIERWISE_SERVER__PRT", "1", "did you mean server.port"),
        ("TIERWISE_SERVER__PORT__X", "1", "names nothing"),
        ("TIERWISE_TARGETS__7__MODEL", "x", "no such element"),
        ("TIERWISE_SERVER__PORT", "eighty", "TIERWISE_SERVER__PORT must hold JSON"),
        ("TIERWISE_TARGETS", "{", "TIERWISE_TARGETS must hold JSON"),
        ("TIERWISE_SERVER__KEEP_ALIVE_S", "NaN", "TIERWISE_SERVER__KEEP_ALIVE_S"),
        ("TIERWISE_SOURCE", "x", "unknown key source"),
    ],
)
def test_a_wrong_variable_is_refused_and_named(
    tmp_path: Path, variable: str, text: str, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        from_text(tmp_path, "", **{variable: text})


def test_variables_of_other_parts_and_referenced_secrets_are_no_settings(tmp_path: Path) -> None:
    keys = '[{"id": "a", "secret": "env:TIERWISE_PHONE"}]'
    settings = from_text(
        tmp_path,
        "",
        TIERWISE_KEYS=keys,
        TIERWISE_PHONE="s",
        TIERWISE_URL="u",
        TIERWISE_KEY="k",
        TIERWISE_ROUTING_DATA="d",
    )
    assert settings.keys[0].secret == SecretRef("env", "TIERWISE_PHONE")


@pytest.mark.parametrize(
    "url",
    ["ftp://host/", "http://", "host:80", "http://user:pw@host/", "http://host/?q=1", "http://host/#f", "http://h:99999/",
     "http://ho st/", "http://höst/", "file:///etc/passwd", "http://host/v1?"],
)  # fmt: skip
def test_an_address_with_anything_but_a_host_and_a_path_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_url(url, "targets[0].base_url")
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://10.0.0.5:8000/v1", "https://edge.example/v1", "http://[::1]:80/v1"])
def test_ordinary_addresses_are_taken(url: str) -> None:
    check_url(url, "targets[0].base_url")


@pytest.mark.parametrize("literal", [CANARY, "env", "env:", "https:x", ":x", "vault:x"])
def test_a_literal_secret_is_refused_with_a_hint_and_not_repeated(tmp_path: Path, literal: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_text(tmp_path, f"[[keys]]\nid = 'a'\nsecret = '{literal}'")
    assert "env:MY_VARIABLE" in str(caught.value)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"{CANARY} = 1 2",
        f"x = '{CANARY}",
        f"[server]\nport = '{CANARY}'",
        f"[[targets]]\nname = '{CANARY} !'",
        f"[[targets]]\nname = 'm'\nmodel = 'm'\nbase_url = 'http://u:{CANARY}@h/'",
        f"[events]\nfsync = '{CANARY}'",
    ],
)
def test_no_error_repeats_a_value_since_it_may_be_a_secret(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_text(tmp_path, text)
    assert CANARY not in str(caught.value)


def test_a_resolved_secret_shows_where_it_is_from_and_never_what_it_is(tmp_path: Path) -> None:
    secret = resolve(
        parse_reference("env:PHONE", "keys[0].secret"), {"PHONE": f" {CANARY}\n"}, "keys[0].secret"
    )
    shown = f"{secret} {secret!r} {[secret]} {TargetSettings(name='a', model='m', api_key=SecretRef('env', 'PHONE'))!r}"
    assert secret.reveal() == CANARY
    assert CANARY not in shown
    with pytest.raises(TypeError):
        __import__("pickle").dumps(secret)


def test_a_secret_in_a_file_is_read_and_trimmed(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{CANARY}\n")
    found = resolve(SecretRef("file", str(tmp_path / "key")), {}, "k")
    assert isinstance(found, Secret)
    assert found.reveal() == CANARY


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (SecretRef("env", "ABSENT"), "env:ABSENT is empty or not set"),
        (SecretRef("file", "/nonexistent/key"), "file:/nonexistent/key cannot be read"),
        (SecretRef("env", "TWO_LINES"), "must be one line"),
        (
            SecretRef("aws-secret", "arn:aws:secretsmanager:eu-central-1:1:secret:x"),
            "a reference .* is an ARN",
        ),
    ],
)
def test_a_secret_that_cannot_be_had_is_an_error_that_names_the_reference(
    reference: SecretRef, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        resolve(reference, {"TWO_LINES": f"{CANARY}\nx"}, "keys.a.secret")
