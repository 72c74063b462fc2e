"""Settings of every way of serving: the workspace, retries, the rate limit, logs."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from functools import cache
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator, model_validator

from customerio_track_mcp.settings.control import ControlSettings
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.key_store import ENTRY_NAME, KeyStore, KeyStoreError
from customerio_track_mcp.settings.placeholders import why_not_a_secret
from customerio_track_mcp.settings.sandbox_choice import sandbox_choice
from customerio_track_mcp.settings.sandbox_port import SANDBOX_PORT
from customerio_track_mcp.settings.validators import lower, split, upper
from customerio_track_mcp.track import (
    RESERVED_KEYS,
    Credentials,
    Region,
    RetryPolicy,
    credential_problem,
    validated_url,
    without_api_path,
)

API_CREDENTIALS_PAGE: Final = "Settings > Workspace Settings > API Credentials in Customer.io"
IN_PROCESS_STORAGE: Final = "memory://"
"""The value of `rate_limit_storage` that keeps the rate limit in each process."""

_EMPTY_FORM_FIELD: Final = re.compile(r"\s*\$\{user_config\.\w+\}\s*")
"""What Claude Desktop passes for an empty field of a bundle's form (https://github.com/modelcontextprotocol/mcpb/issues/250)."""

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
LogFormat = Literal["text", "json"]


class Settings(ControlSettings):
    """The server's settings. Times are in seconds."""

    prefix = "CUSTOMERIO_"

    api_key: SecretStr | None = Field(
        default=None,
        description=f"Tracking API key ({API_CREDENTIALS_PAGE}), or site_id:api_key. Without it, every call fails.",
    )
    site_id: SecretStr | None = Field(default=None, description=f"Site ID ({API_CREDENTIALS_PAGE}).")
    key_store: str | None = Field(
        default=None,
        description="Entry of the operating system's key store that contains site_id:api_key; read if "
        "CUSTOMERIO_API_KEY is not set. Needs the extra keyring.",
    )
    region: Annotated[Region, BeforeValidator(upper)] = Field(
        default=Region.US, description="Data region of the workspace: US or EU."
    )
    track_url: str | None = Field(
        default=None, description="Base URL of the Track API instead of the region's; https, or http on loopback."
    )
    sandbox: Annotated[bool | str, BeforeValidator(sandbox_choice)] = Field(
        default=False,
        description="true: use the sandbox instead of the workspace, as --sandbox does: the running one, or an "
        "embedded one. The URL of a sandbox: use that one.",
    )
    sandbox_port: int = Field(
        default=SANDBOX_PORT,
        ge=0,
        le=65535,
        description="Port of this machine on which --sandbox expects a running sandbox, or else starts one; 0: it "
        "starts one on any free port.",
    )
    allow_reserved_keys: Annotated[frozenset[str], BeforeValidator(split)] = Field(
        default=frozenset(),
        description="Reserved keys to allow in attributes and event data, separated by commas.",
    )
    max_attempts: int = Field(default=4, ge=1, le=20, description="Attempts per request, the first one included.")
    time_budget: float = Field(
        default=30.0,
        gt=0,
        le=600,
        allow_inf_nan=False,
        description="Seconds for one call, including retries and waiting for the rate limit.",
    )
    rate_limit: float = Field(
        default=100.0,
        gt=0,
        le=100_000,
        allow_inf_nan=False,
        description="Requests per second to the workspace.",
    )
    rate_limit_storage: SecretStr = Field(
        default=SecretStr(IN_PROCESS_STORAGE),
        description="memory:// limits each process separately; redis:// or rediss:// shares one limit.",
    )
    replicas: int = Field(
        default=1, ge=1, le=10_000, description="Number of replicas that divide the rate limit if it is not shared."
    )
    connect_timeout: float = Field(default=5.0, gt=0, allow_inf_nan=False, description="Seconds to connect.")
    read_timeout: float = Field(
        default=10.0, gt=0, allow_inf_nan=False, description="Seconds between received chunks of a response."
    )
    write_timeout: float = Field(
        default=10.0, gt=0, allow_inf_nan=False, description="Seconds to send the body of a request."
    )
    pool_timeout: float = Field(
        default=10.0, gt=0, allow_inf_nan=False, description="Seconds to wait for a free connection."
    )
    log_level: Annotated[LogLevel, BeforeValidator(upper)] = Field(
        default="INFO", description="DEBUG, INFO, WARNING or ERROR; on stdio, the default is WARNING."
    )
    log_format: Annotated[LogFormat, BeforeValidator(lower)] = Field(default="text", description="text or json.")
    log_hash_key: SecretStr | None = Field(
        default=None,
        description="Key of the HMAC that replaces personal identifiers in logs; derived from the API key by default.",
    )

    @classmethod
    def from_environment(cls, **overrides: Any) -> Self:
        """Read the settings, and the API key from the key store if `key_store` names an entry and no key is set.

        Args:
            overrides: settings that take precedence over the environment.

        Raises:
            SettingsError: with one line for each invalid setting, or why the key store cannot be used.
        """
        settings = super().from_environment(**overrides)
        if settings.key_store is None or settings.api_key is not None:
            return settings
        entry = cls.variable("key_store")
        try:
            api_key = KeyStore.open().load(settings.key_store)
        except KeyStoreError as error:
            raise SettingsError([f"{entry}: {error}. Instead, you can set {cls.variable('api_key')}"]) from None
        try:
            return super().from_environment(**overrides | {"api_key": api_key})
        except SettingsError as error:
            # Only the new value can be invalid.
            problems = [line.replace(cls.variable("api_key"), f"the entry of {entry}") for line in error.problems]
            raise SettingsError(problems) from None

    @model_validator(mode="before")
    @classmethod
    def _omit_empty_form_fields(cls, values: dict[str, Any]) -> dict[str, Any]:
        # Not set rather than invalid: a host shows the errors of calls to its user, but not why a server did not start.
        return {
            name: value
            for name, value in values.items()
            if not (isinstance(value, str) and _EMPTY_FORM_FIELD.fullmatch(value))
        }

    @field_validator("api_key", "site_id")
    @classmethod
    def _validate_credential(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None:
            return None
        text = value.get_secret_value().strip()
        if not text or text.endswith(":"):
            raise ValueError("is blank")
        if reason := why_not_a_secret(text) or credential_problem(text):
            raise ValueError(reason)
        if info.field_name == "site_id" and ":" in text:
            raise ValueError("contains a colon; pass the Site ID alone, or site_id:api_key as CUSTOMERIO_API_KEY")
        return SecretStr(text)

    @field_validator("key_store")
    @classmethod
    def _validate_entry(cls, value: str | None) -> str | None:
        if value is not None and not ENTRY_NAME.fullmatch(value):
            raise ValueError("invalid name of an entry: expected up to 64 letters, digits, '.', '_' and '-'")
        return value

    @field_validator("log_hash_key")
    @classmethod
    def _validate_hash_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and (reason := why_not_a_secret(value.get_secret_value().strip())):
            raise ValueError(reason)
        return value

    @field_validator("track_url")
    @classmethod
    def _validate_url(cls, value: str | None) -> str | None:
        return without_api_path(validated_url(value, "https://track.example.com")) if value is not None else None

    @field_validator("rate_limit_storage")
    @classmethod
    def _validate_storage(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value().strip()
        if "${" in url or "{{" in url:
            raise ValueError("contains a placeholder that was not replaced")
        if url != IN_PROCESS_STORAGE and not url.startswith(("redis://", "rediss://")):
            raise ValueError("must be memory://, or start with redis:// or rediss://")
        return SecretStr(url)

    @model_validator(mode="after")
    def _validate_site_id(self) -> Self:
        in_key, _ = self._parts_of_key
        if self.site_id is not None and in_key is not None and in_key != self.site_id.get_secret_value():
            raise ValueError("CUSTOMERIO_API_KEY contains a different Site ID than CUSTOMERIO_SITE_ID")
        return self

    @field_validator("allow_reserved_keys")
    @classmethod
    def _validate_reserved_keys(cls, value: frozenset[str]) -> frozenset[str]:
        if unknown := sorted(value - RESERVED_KEYS):
            raise ValueError(
                f"contains unknown keys: {', '.join(unknown)}; the reserved keys are {', '.join(sorted(RESERVED_KEYS))}"
            )
        return value

    @property
    def credentials(self) -> Credentials | None:
        """The Site ID and API key; None if one of them is not set."""
        site_id, api_key = self._site_id, self._parts_of_key[1]
        return Credentials(site_id, api_key) if site_id and api_key else None

    @property
    def missing_credentials(self) -> str:
        """Which of the variables that every call needs are not set; empty if they are."""
        is_missing = {"CUSTOMERIO_API_KEY": not self._parts_of_key[1], "CUSTOMERIO_SITE_ID": not self._site_id}
        return " and ".join(f"{name} is not set" for name, missing in is_missing.items() if missing)

    @property
    def base_url(self) -> str:
        """The base URL of the Track API."""
        return self.track_url or self.region.track_url

    @property
    def hash_key(self) -> bytes:
        """The key of the HMAC that replaces personal identifiers in logs."""
        if self.log_hash_key is not None:
            return self.log_hash_key.get_secret_value().encode()
        if self.api_key is None:
            return _random_key("hash")
        return hmac.new(self.api_key.get_secret_value().encode(), b"log_hash_key", hashlib.sha256).digest()

    @property
    def request_state_key(self) -> bytes:
        """The key that seals what a host sends back with a person's answer: the same on every replica."""
        api_key = self._parts_of_key[1]
        if not api_key:
            return _random_key("request state")
        return hmac.new(api_key.encode(), b"request_state_key", hashlib.sha256).digest()

    @property
    def fingerprint_key(self) -> bytes:
        """The key of the HMAC by which identical events are recognized, by every process with the same API key."""
        if self.credentials is None:
            return _random_key("hash")
        return hmac.new(self.credentials.api_key.encode(), b"fingerprint_key", hashlib.sha256).digest()

    @property
    def retry_policy(self) -> RetryPolicy:
        """Timeouts, attempts and the time budget."""
        return RetryPolicy(
            connect_timeout=self.connect_timeout,
            read_timeout=self.read_timeout,
            write_timeout=self.write_timeout,
            pool_timeout=self.pool_timeout,
            max_attempts=self.max_attempts,
            time_budget=self.time_budget,
        )

    @property
    def _site_id(self) -> str | None:
        return self.site_id.get_secret_value() if self.site_id is not None else self._parts_of_key[0]

    @property
    def _parts_of_key(self) -> tuple[str | None, str | None]:
        """The Site ID and the API key in `api_key`; each is None if it is not there."""
        if self.api_key is None:
            return None, None
        in_key, colon, rest = self.api_key.get_secret_value().partition(":")
        return (in_key, rest) if colon else (None, in_key)


@cache
def _random_key(purpose: str) -> bytes:
    """Return a key of this process, the same for each call with the same purpose."""
    del purpose
    return os.urandom(32)
