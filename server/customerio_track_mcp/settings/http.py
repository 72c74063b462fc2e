"""The settings of the HTTP service: who may use it, how much, and how it ends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from customerio_track_mcp.settings.base import EnvironmentSettings, split
from customerio_track_mcp.settings.validators import checked_url

CALLER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""The name of who holds a static token."""

Words = Annotated[frozenset[str], NoDecode, BeforeValidator(split)]


class HttpSettings(EnvironmentSettings):
    """The HTTP service's settings. Times are in seconds."""

    model_config = SettingsConfigDict(env_prefix="CUSTOMERIO_HTTP_")

    tokens: SecretStr | None = Field(
        default=None, description="Bearer tokens: 'NAME TOKEN' or 'NAME TOKEN SCOPE ...', separated by commas."
    )
    tokens_file: Path | None = Field(
        default=None, description="A file of bearer tokens, one a line, read again when it changes."
    )
    issuer: str | None = Field(default=None, description="The OAuth authorization server whose JWTs are accepted.")
    jwks_url: str | None = Field(default=None, description="Where that server publishes its keys.")
    audience: str | None = Field(
        default=None, description="The audience that a JWT has to name; CUSTOMERIO_HTTP_PUBLIC_URL where not set."
    )
    required_scopes: Words = Field(default=frozenset(), description="Scopes that every JWT has to have.")
    tool_scopes: bool = Field(
        default=True,
        description="Whether a JWT needs customers:write, events:write, segments:write for the tools.",
    )
    public_url: str | None = Field(
        default=None, description="The URL at which callers reach the service, such as https://mcp.example.com/mcp."
    )
    allowed_hosts: Words = Field(
        default=frozenset(),
        description="Host names to answer to, besides loopback's and the public URL's.",
    )
    allowed_origins: Words = Field(
        default=frozenset(), description="Origins of web pages that may call, such as https://app.example.com."
    )
    max_body_bytes: int = Field(default=2_097_152, ge=1024, le=16_777_216, description="Bytes of a request's body.")
    body_timeout: float = Field(
        default=10.0, gt=0, le=600, allow_inf_nan=False, description="Seconds for a request's head, and for its body."
    )
    max_in_flight: int = Field(default=256, ge=1, description="Calls at a time in one process.")
    max_in_flight_per_caller: int = Field(default=64, ge=1, description="Calls at a time of one caller, likewise.")
    drain_delay: float = Field(
        default=0.0,
        ge=0,
        le=300,
        allow_inf_nan=False,
        description="Seconds, after SIGTERM, to go on accepting while /readyz already says no.",
    )
    grace_period: float = Field(
        default=30.0, ge=0, le=600, allow_inf_nan=False, description="Seconds, then, for calls in flight to finish."
    )

    @field_validator("issuer", "jwks_url", "public_url")
    @classmethod
    def _usable_url(cls, value: str | None) -> str | None:
        return checked_url(value, "https://auth.example.com") if value is not None else None

    @field_validator("allowed_origins")
    @classmethod
    def _usable_origins(cls, value: frozenset[str]) -> frozenset[str]:
        for origin in value:
            parts = urlsplit(origin)
            if not parts.hostname or parts.scheme not in ("http", "https") or parts.path or parts.query:
                raise ValueError("holds something that is no origin; origins are like https://app.example.com")
        return value

    @model_validator(mode="after")
    def _whole_oauth(self) -> Self:
        if (self.issuer is None) != (self.jwks_url is None):
            raise ValueError("CUSTOMERIO_HTTP_ISSUER and CUSTOMERIO_HTTP_JWKS_URL have to be set together")
        if self.issuer is not None and self.public_url is None:
            raise ValueError(
                "CUSTOMERIO_HTTP_PUBLIC_URL has to be set too, where CUSTOMERIO_HTTP_ISSUER is: clients are told by "
                "it which resource they need a token for"
            )
        if self.issuer is None and (self.audience or self.required_scopes):
            raise ValueError(
                "CUSTOMERIO_HTTP_AUDIENCE and CUSTOMERIO_HTTP_REQUIRED_SCOPES do nothing without CUSTOMERIO_HTTP_ISSUER"
            )
        return self

    @property
    def authenticates(self) -> bool:
        """Whether callers have to prove who they are."""
        return self.tokens is not None or self.tokens_file is not None or self.issuer is not None
