"""A document from AppConfig: one session, asked as often as AppConfig allows, told only of what changed.

AppConfig validates a version before it is deployed, hands it to more and more sessions over minutes, and goes back by itself when
an alarm goes off; all of that arrives here as "there is another document now". Blocking; callers bring threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from router_core.adapters.aws.client import COMMON_FAULTS, Faults, store_errors
from router_core.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from types_boto3_appconfigdata import AppConfigDataClient

LEAST_S: Final = 15
"""More often than that AppConfig does not answer."""
FAULTS: Final[Faults] = {
    **COMMON_FAULTS,
    "BadRequestException": (StoreError, "does not accept such a request"),
    "InternalServerException": (StoreError, "failed by itself"),
    "ResourceNotFoundException": (StoreError, "has no such profile, or nothing deployed of it"),
}
_WHAT: Final = "AppConfig"


class AppConfigDocument:
    """The profile `APPLICATION/ENVIRONMENT/PROFILE`, by names or ids."""

    def __init__(self, client: AppConfigDataClient, profile: str, *, every_s: int = LEAST_S) -> None:
        parts = profile.split("/")
        if len(parts) != 3:
            raise ConfigurationError("settings: jobs.appconfig must be APPLICATION/ENVIRONMENT/PROFILE")
        self._client, self._parts, self._least_s = client, parts, max(LEAST_S, every_s)
        self._token: str | None = None
        self.every_s = float(self._least_s)
        """How long to wait before the next question."""
        self.version: str | None = None

    def latest(self) -> bytes | None:
        """The document where it is another than before, else None. Raises `StoreError`; the next call begins anew."""
        token, self._token = self._token, None
        with store_errors(_WHAT, FAULTS):
            answer = self._client.get_latest_configuration(ConfigurationToken=token or self._begin())
            content = answer["Configuration"].read()
        self._token = answer["NextPollConfigurationToken"]
        self.every_s = float(answer.get("NextPollIntervalInSeconds", self._least_s))
        if not content:
            return None
        self.version = answer.get("VersionLabel") or self.version
        return content

    def _begin(self) -> str:
        application, environment, profile = self._parts
        session = self._client.start_configuration_session(
            ApplicationIdentifier=application,
            EnvironmentIdentifier=environment,
            ConfigurationProfileIdentifier=profile,
            RequiredMinimumPollIntervalInSeconds=self._least_s,
        )
        return session["InitialConfigurationToken"]
