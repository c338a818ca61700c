"""Where Redis is: what the settings take, what they refuse, and that a password never stands in an address."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.composition.stores import redis_place
from gateway.settings.loading import load
from gateway.settings.schema import RedisSettings, Settings
from gateway.settings.secrets import SecretRef
from router_core.errors import ConfigurationError

GIVEN = {"REDIS_PASSWORD": "heron-31", "WATCH_PASSWORD": "heron-32"}


def read(tmp_path: Path, text: str, environ: Mapping[str, str] | None = None) -> Settings:
    file = tmp_path / "tierwise.toml"
    file.write_text(text)
    return load(str(file), environ or {})


def test_nothing_said_is_no_redis_and_one_request_waits_for_fifty_milliseconds(tmp_path: Path) -> None:
    redis = read(tmp_path, "").redis
    assert (redis.configured, redis.timeout_ms) == (False, 50.0)


def test_an_address_with_its_password_by_reference(tmp_path: Path) -> None:
    text = '[redis]\nurl = "rediss://cache.example:6380/2"\npassword = "env:REDIS_PASSWORD"\nca_file = "ca.pem"\n'
    redis = read(tmp_path, text).redis
    place = redis_place(redis, GIVEN)
    assert redis.configured
    assert (place.url, place.password, place.ca_file) == (
        "rediss://cache.example:6380/2",
        "heron-31",
        Path("ca.pem"),
    )


def test_sentinels_and_the_name_of_their_master(tmp_path: Path) -> None:
    text = (
        '[redis]\nsentinels = ["a.example:26380", "b.example"]\nmaster = "main"\ntls = true\n'
        'password = "env:REDIS_PASSWORD"\nsentinel_password = "env:WATCH_PASSWORD"\n'
    )
    place = redis_place(read(tmp_path, text).redis, GIVEN)
    assert place.sentinels == (("a.example", 26380), ("b.example", 26379))
    assert (place.master, place.tls, place.sentinel_password) == ("main", True, "heron-32")


def test_a_variable_is_enough(tmp_path: Path) -> None:
    environ = {"TIERWISE_REDIS__URL": "redis://10.0.0.9:6379", "TIERWISE_REDIS__TIMEOUT_MS": "20"}
    redis = read(tmp_path, "", environ).redis
    assert (redis.url, redis.timeout_ms) == ("redis://10.0.0.9:6379", 20.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('uri = "redis://a"', "unknown key redis.uri; did you mean redis.url"),
        ('url = "http://a"', "redis.url must be redis://"),
        ('url = "redis://me:heron-31@a:6379"', "without credentials"),
        ('url = "redis://a/0?ssl_cert_reqs=none"', "redis.url must be redis://"),
        ('url = "redis://a"\nsentinels = ["b"]', "exclude each other"),
        ('url = "redis://a"\ntls = true', "write rediss:// in redis.url"),
        ('password = "env:REDIS_PASSWORD"', "redis.password needs redis.url"),
        ('url = "redis://a"\npassword = "heron-31"', "must be a reference"),
        ('sentinels = ["a:b"]', "host:port of a sentinel"),
        ('url = "redis://a"\ntimeout_ms = 0', "redis.timeout_ms must be between 1 and 5000"),
        ('url = "redis://a"\nenvironment = "a:b"', "redis.environment must be"),
    ],
)
def test_what_is_wrong_is_named_and_never_repeated(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, f"[redis]\n{text}\n")
    assert message in str(caught.value)
    assert "heron-31" not in str(caught.value)


def test_a_password_that_is_not_there_stops_the_start() -> None:
    settings = RedisSettings(url="redis://a", password=SecretRef("env", "REDIS_PASSWORD"))
    with pytest.raises(ConfigurationError, match=r"redis.password: env:REDIS_PASSWORD is empty or not set"):
        redis_place(settings, {})
