"""One whole deployment on this machine: stand-ins, Redis, the local AWS, the templates in it, and the operator's settings."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from gateway.sandbox.processes import StandIns, start_standins
from tests.localaws import address, cdk
from tests.localaws.loopback import ask
from tests.localaws.operating import ENV, Key, write_jobs, write_keys, write_targets
from tests.localaws.processes import running_redis, running_server

KEYS: Final = {
    "operator": ("acme", "admin"),
    "phone-app": ("acme", "user"),
    "other-app": ("globex", "user"),
}
_REDIS_SECRET: Final = f"tierwise/{ENV}/redis"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A running deployment: where AWS is, where the API is, and whose keys open it."""

    aws_url: str
    api_url: str
    keys: Mapping[str, Key] = field(repr=False)
    standins: StandIns = field(repr=False)
    stacks: tuple[cdk.Stack, ...]
    assembly: Path

    def client(self, service: str) -> Any:
        """A client of one service of this AWS."""
        return address.client(service, self.aws_url)

    def recorded(self) -> dict[str, int]:
        """Types of resources that nothing imitates, with how many there are."""
        return dict(ask("GET", f"{self.aws_url}/_localaws/recorded").json)

    def refuse(self, function: str, calls: int) -> None:
        """Lambda has no capacity for the next `calls` of a function, by its full name."""
        ask("POST", f"{self.aws_url}/_localaws/refuse?function={function}&calls={calls}")


@contextmanager
def running_site(*, port: int = 0, pace: float = 0.0, say: cdk.Say) -> Iterator[Site]:
    """Deploy everything; all processes end with the block, or with this process however it ends."""
    with ExitStack() as running:
        standins = start_standins(mec_nodes=1, pace=pace)
        running.callback(standins.stop)
        redis_port = running.enter_context(running_redis())
        say("stand-ins run; " + ("Redis runs" if redis_port else "no redis-server here: the cache is away"))
        variables = {
            "AWS_ACCESS_KEY_ID": standins.access_key_id,
            "AWS_SECRET_ACCESS_KEY": standins.secret_access_key,
            address.REDIS_VARIABLE: str(redis_port or address.CLOSED_PORT),
        }
        url = running.enter_context(running_server(port, variables))
        say(f"local AWS on {url}; synthesising")
        assembly = cdk.synthesize(Path(running.enter_context(tempfile.TemporaryDirectory())) / "cdk.out")
        stacks = cdk.deploy(assembly, url, say)
        say(f"{len(stacks)} stacks are deployed")
        if redis_port is not None:
            _protect(url, redis_port)
        write_targets(url, standins)
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        write_jobs(url, f"sqlite:///{folder / 'jobs.db'}")
        yield Site(
            aws_url=url,
            api_url=_api_url(url, stacks),
            keys=write_keys(url, KEYS),
            standins=standins,
            stacks=tuple(stacks),
            assembly=assembly,
        )


def _api_url(url: str, stacks: list[cdk.Stack]) -> str:
    """The data plane's address of the API that the stacks give out."""
    given = next(value for stack in stacks for value in stack.outputs.values() if ".execute-api." in value)
    api = given.removeprefix("https://").split(".", 1)[0]
    return f"{url}/_gw/{api}/{given.rstrip('/').rsplit('/', 1)[1]}"


def _protect(url: str, port: int) -> None:
    """Give Redis the token that ElastiCache would ask for."""
    import redis

    try:
        token = address.client("secretsmanager", url).get_secret_value(SecretId=_REDIS_SECRET)["SecretString"]
    except ClientError:
        return
    with redis.Redis(host=address.HOST, port=port) as client:
        client.config_set("requirepass", token)
