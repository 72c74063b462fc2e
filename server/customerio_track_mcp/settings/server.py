"""The settings that every way of serving needs: the workspace, the patience with it, the logs."""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from customerio_track_mcp.instrumentation.logs import LogFormat
from customerio_track_mcp.settings.base import BadSettingsError, EnvironmentSettings, lower, split, upper
from customerio_track_mcp.settings.validators import checked_url
from customerio_track_mcp.track import Credentials, Observer, Patience, RateBudget, Region, TrackClient
from customerio_track_mcp.track.validation.reserved_keys import RESERVED_KEYS

_API_KEY_PAGE: Final = "Settings > Workspace Settings > API Credentials in Customer.io"

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class Settings(EnvironmentSettings):
    """The server's settings. Times are in seconds."""

    model_config = SettingsConfigDict(env_prefix="CUSTOMERIO_")

    api_key: SecretStr = Field(description=f"The Tracking API key ({_API_KEY_PAGE}), or site_id:api_key.")
    site_id: SecretStr | None = Field(default=None, description=f"The Site ID ({_API_KEY_PAGE}).")
    region: Annotated[Region, BeforeValidator(upper)] = Field(
        default=Region.US, description="The workspace's data region: US or EU."
    )
    track_url: str | None = Field(
        default=None, description="Another base URL for the Track API; https, or http on loopback."
    )
    allow_reserved_keys: Annotated[frozenset[str], NoDecode, BeforeValidator(split)] = Field(
        default=frozenset(),
        description="Reserved keys to allow in attributes and event data, separated by commas.",
    )
    max_attempts: int = Field(default=4, ge=1, le=20, description="How often a request is tried.")
    time_budget: float = Field(
        default=30.0, gt=0, le=600, allow_inf_nan=False, description="Seconds for one call, pauses and all."
    )
    rate_limit: float = Field(
        default=100.0,
        gt=0,
        le=100_000,
        allow_inf_nan=False,
        description="Requests per second to the workspace.",
    )
    rate_limit_storage: SecretStr = Field(
        default=SecretStr("memory://"),
        description="memory:// keeps the rate budget to each process; redis:// or rediss:// shares it.",
    )
    replicas: int = Field(
        default=1, ge=1, le=10_000, description="How many replicas divide the rate budget where none is shared."
    )
    connect_timeout: float = Field(default=5.0, gt=0, allow_inf_nan=False, description="Seconds to connect.")
    read_timeout: float = Field(default=10.0, gt=0, allow_inf_nan=False, description="Seconds between bytes read.")
    write_timeout: float = Field(default=10.0, gt=0, allow_inf_nan=False, description="Seconds between bytes sent.")
    pool_timeout: float = Field(
        default=10.0, gt=0, allow_inf_nan=False, description="Seconds to wait for a free connection."
    )
    log_level: Annotated[LogLevel, BeforeValidator(upper)] = Field(
        default="INFO", description="DEBUG, INFO, WARNING or ERROR."
    )
    log_format: Annotated[LogFormat, BeforeValidator(lower)] = Field(default="text", description="text or json.")
    log_hash_key: SecretStr | None = Field(
        default=None, description="The key of the hash by which logs tell people; by default made from the API key."
    )

    @field_validator("api_key", "site_id")
    @classmethod
    def _usable_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        text = value.get_secret_value().strip()
        if not text or text.endswith(":"):
            raise ValueError("is blank")
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("holds characters that no Site ID and no API key has")
        return SecretStr(text)

    @field_validator("track_url")
    @classmethod
    def _usable_url(cls, value: str | None) -> str | None:
        return checked_url(value, "https://track.example.com") if value is not None else None

    @field_validator("rate_limit_storage")
    @classmethod
    def _usable_storage(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value().strip()
        if url != "memory://" and not url.startswith(("redis://", "rediss://")):
            raise ValueError("has to be memory://, or begin with redis:// or rediss://")
        return SecretStr(url)

    @model_validator(mode="after")
    def _one_site_id(self) -> Self:
        in_key, colon, _ = self.api_key.get_secret_value().partition(":")
        if self.site_id is not None and colon and in_key != self.site_id.get_secret_value():
            raise ValueError("CUSTOMERIO_API_KEY names another Site ID than CUSTOMERIO_SITE_ID does")
        return self

    @field_validator("allow_reserved_keys")
    @classmethod
    def _known_keys(cls, value: frozenset[str]) -> frozenset[str]:
        if unknown := sorted(value - RESERVED_KEYS):
            raise ValueError(
                f"holds {', '.join(unknown)}, which no rule reserves; allowed are {', '.join(sorted(RESERVED_KEYS))}"
            )
        return value

    @classmethod
    def missing(cls, field: str) -> str:
        """What is told of a required setting that is not there, after its name."""
        del field
        return f"is not set; it is the Tracking API key from {_API_KEY_PAGE} (no account? try --sandbox)"

    @property
    def credentials(self) -> Credentials | None:
        """The Site ID and API key; None where no Site ID is given in either way."""
        in_key, colon, rest = self.api_key.get_secret_value().partition(":")
        key = rest if colon else in_key
        if self.site_id is not None:
            return Credentials(self.site_id.get_secret_value(), key)
        return Credentials(in_key, key) if colon and in_key else None

    @property
    def base_url(self) -> str:
        """The Track API's base URL."""
        return self.track_url or self.region.track_url

    def track_client(
        self, base_url: str, *, budget: RateBudget | None = None, observer: Observer | None = None
    ) -> TrackClient:
        """A client of the workspace at `base_url`.

        Args:
            base_url: the Track API's base URL.
            budget: a rate budget in the place of `rate_limit`.
            observer: told of waits and attempts.

        Raises:
            BadSettingsError: the proxy or certificate settings of the environment, which httpx reads, can't be used.
        """
        try:
            return TrackClient(
                self.credentials,
                base_url,
                requests_per_second=self.rate_limit,
                budget=budget,
                patience=self.patience,
                observer=observer,
            )
        except (ImportError, OSError, ValueError) as error:
            raise BadSettingsError([f"the HTTP client can't be set up: {error}"]) from None

    @property
    def hash_key(self) -> bytes:
        """The key of the hash by which logs tell people."""
        if self.log_hash_key is not None:
            return self.log_hash_key.get_secret_value().encode()
        return hmac.new(self.api_key.get_secret_value().encode(), b"log_hash_key", hashlib.sha256).digest()

    @property
    def patience(self) -> Patience:
        """Time-outs, attempts and the time budget."""
        return Patience(
            connect_timeout=self.connect_timeout,
            read_timeout=self.read_timeout,
            write_timeout=self.write_timeout,
            pool_timeout=self.pool_timeout,
            max_attempts=self.max_attempts,
            time_budget=self.time_budget,
        )
