"""What the environment says, read once at the start.

Sources, first one wins: environment variables, a `.env` file in the working directory, secret files in
`/run/secrets` (or `CUSTOMERIO_SECRETS_DIR`), one file a setting, named like the variable in small letters.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

import httpx
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from customerio_track_mcp.reserved_keys import RESERVED_KEYS
from customerio_track_mcp.track import Credentials, Patience, Region, TrackClient, is_loopback

_PREFIX: Final = "CUSTOMERIO_"
_BASE_URL: Final = "has to be a base URL such as https://track.example.com, without user, query or fragment"
_API_KEY_PAGE: Final = "Settings > Workspace Settings > API Credentials in Customer.io"

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class BadSettingsError(Exception):
    """The environment's settings can't be used.

    Attributes:
        problems: one line for each bad setting; none of them shows a value that is secret.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class Settings(BaseSettings):
    """The server's settings. Times are in seconds."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    api_key: SecretStr = Field(description=f"The Tracking API key ({_API_KEY_PAGE}), or site_id:api_key.")
    site_id: SecretStr | None = Field(default=None, description=f"The Site ID ({_API_KEY_PAGE}).")
    region: Annotated[Region, BeforeValidator(_upper)] = Field(
        default=Region.US, description="The workspace's data region: US or EU."
    )
    track_url: str | None = Field(
        default=None, description="Another base URL for the Track API; https, or http on loopback."
    )
    allow_reserved_keys: Annotated[frozenset[str], NoDecode, BeforeValidator(_split)] = Field(
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
    connect_timeout: float = Field(default=5.0, gt=0, allow_inf_nan=False, description="Seconds to connect.")
    read_timeout: float = Field(default=10.0, gt=0, allow_inf_nan=False, description="Seconds between bytes read.")
    write_timeout: float = Field(default=10.0, gt=0, allow_inf_nan=False, description="Seconds between bytes sent.")
    pool_timeout: float = Field(
        default=10.0, gt=0, allow_inf_nan=False, description="Seconds to wait for a free connection."
    )
    log_level: Annotated[LogLevel, BeforeValidator(_upper)] = Field(
        default="INFO", description="DEBUG, INFO, WARNING or ERROR."
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
        if value is None:
            return None
        value = value.strip()
        try:
            url, port = httpx.URL(value), urlsplit(value).port
            host = url.host
        except (httpx.InvalidURL, ValueError):
            raise ValueError(_BASE_URL) from None
        if not host or port == 0 or url.query or url.fragment or url.userinfo or any(map(str.isspace, value)):
            raise ValueError(_BASE_URL)
        if url.scheme != "https" and not (url.scheme == "http" and is_loopback(host)):
            raise ValueError("has to begin with https:// (http:// serves on loopback only): the API key goes there")
        return value

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
    def from_environment(cls, **overrides: Any) -> Self:
        """Read the settings.

        Args:
            overrides: settings that take the place of what the environment says.

        Raises:
            BadSettingsError: with one line for each bad setting.
        """
        secrets = Path(os.environ.get(f"{_PREFIX}SECRETS_DIR", "/run/secrets"))
        try:
            return cls(_secrets_dir=secrets if secrets.is_dir() else None, **overrides)
        except ValidationError as error:
            lines = [_line(detail["loc"], detail["type"], detail["msg"]) for detail in error.errors()]
            raise BadSettingsError(lines) from None
        except (SettingsError, UnicodeError, OSError):
            raise BadSettingsError(["the .env file or a secret file can't be read as UTF-8 text"]) from None

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

    def track_client(self, base_url: str) -> TrackClient:
        """A client of the workspace at `base_url`.

        Raises:
            BadSettingsError: the proxy or certificate settings of the environment, which httpx reads, can't be used.
        """
        try:
            return TrackClient(self.credentials, base_url, requests_per_second=self.rate_limit, patience=self.patience)
        except (ImportError, OSError, ValueError) as error:
            raise BadSettingsError([f"the HTTP client can't be set up: {error}"]) from None

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


def _line(location: tuple[int | str, ...], kind: str, message: str) -> str:
    told = message.removeprefix("Value error, ")
    if not location:
        return told
    name = f"{_PREFIX}{str(location[0]).upper()}"
    if kind == "missing":
        return f"{name} is not set; it is the Tracking API key from {_API_KEY_PAGE} (no account? try --sandbox)"
    return f"{name}: {told}"
