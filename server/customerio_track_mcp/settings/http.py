"""Settings of the HTTP service: authentication, limits, shutdown."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from customerio_track_mcp.settings.allow_lists import validated_hostnames, validated_origins
from customerio_track_mcp.settings.base import EnvironmentSettings
from customerio_track_mcp.settings.http_path import validated_path
from customerio_track_mcp.settings.validators import lower, split
from customerio_track_mcp.track import validated_url

CALLER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""The name of a caller with a static token."""

Words = Annotated[frozenset[str], BeforeValidator(split)]
Hostnames = Annotated[frozenset[str], BeforeValidator(validated_hostnames)]
Origins = Annotated[frozenset[str], BeforeValidator(validated_origins)]
HttpParser = Literal["auto", "h11", "httptools"]


class HttpSettings(EnvironmentSettings):
    """The HTTP service's settings. Times are in seconds."""

    prefix = "CUSTOMERIO_HTTP_"

    tokens: SecretStr | None = Field(
        default=None, description="Bearer tokens: 'NAME TOKEN' or 'NAME TOKEN SCOPE ...', separated by commas."
    )
    tokens_file: Path | None = Field(
        default=None, description="File of bearer tokens, one per line; read again when it changes."
    )
    issuer: str | None = Field(default=None, description="OAuth authorization server whose JWTs are accepted.")
    jwks_url: str | None = Field(default=None, description="URL of that server's public keys (JWKS).")
    audience: str | None = Field(
        default=None, description="Audience that a JWT must contain; CUSTOMERIO_HTTP_PUBLIC_URL by default."
    )
    required_scopes: Words = Field(default=frozenset(), description="Scopes that every JWT must have.")
    tool_scopes: bool = Field(
        default=True,
        description="Whether a JWT needs customers:write, events:write and segments:write for the tools.",
    )
    public_url: str | None = Field(
        default=None, description="URL at which callers reach the service, for example https://mcp.example.com/mcp."
    )
    path: str = Field(default="/mcp", description="Path at which MCP is served, for example /customerio/mcp.")
    allowed_hosts: Hostnames = Field(
        default=frozenset(),
        description="Hostnames to accept in the Host header, besides loopback and the public URL's.",
    )
    allowed_origins: Origins = Field(
        default=frozenset(),
        description="Origins of web pages, extensions and desktop apps that may call, for example "
        "https://app.example.com.",
    )
    max_body_bytes: int = Field(
        default=1_310_720, ge=1024, le=16_777_216, description="Maximum size of a request's body, in bytes."
    )
    body_timeout: float = Field(
        default=10.0,
        gt=0,
        le=600,
        allow_inf_nan=False,
        description="Seconds to receive a request's head, and its body.",
    )
    keep_alive: float = Field(
        default=75.0,
        gt=0,
        le=7200,
        allow_inf_nan=False,
        description="Seconds to keep a connection open after a response; must be longer than the proxy does.",
    )
    max_in_flight: int = Field(default=256, ge=1, description="Maximum concurrent calls per process.")
    max_in_flight_per_caller: int = Field(
        default=64, ge=1, description="Maximum concurrent calls of one caller per process."
    )
    max_request_memory: int = Field(
        default=67_108_864,
        ge=1_048_576,
        description="Maximum estimated memory of concurrent calls per process, in bytes.",
    )
    max_request_memory_per_caller: int = Field(
        default=33_554_432,
        ge=1_048_576,
        description="Maximum estimated memory of the concurrent calls of one caller per process, in bytes.",
    )
    max_connections: int = Field(
        default=1024,
        ge=1,
        description="Maximum open connections per process; fewer if the limit on open files allows fewer.",
    )
    parser: Annotated[HttpParser, BeforeValidator(lower)] = Field(
        default="auto",
        description="Parser of HTTP requests: h11, httptools (extra 'fast'), or auto for httptools if it is installed.",
    )
    drain_delay: float = Field(
        default=0.0,
        ge=0,
        le=300,
        allow_inf_nan=False,
        description="Seconds to keep accepting calls after SIGTERM, while /readyz already answers 503.",
    )
    grace_period: float = Field(
        default=30.0,
        ge=0,
        le=600,
        allow_inf_nan=False,
        description="Seconds after that for calls in flight to finish.",
    )
    worker_timeout: float = Field(
        default=30.0,
        ge=1,
        le=600,
        allow_inf_nan=False,
        description="Seconds after which a worker whose event loop does not run is replaced (--workers).",
    )

    @field_validator("issuer", "jwks_url", "public_url")
    @classmethod
    def _validate_url(cls, value: str | None) -> str | None:
        return validated_url(value, "https://auth.example.com") if value is not None else None

    @field_validator("path")
    @classmethod
    def _validate_path(cls, value: str) -> str:
        return validated_path(value)

    @field_validator("parser")
    @classmethod
    def _require_parser(cls, value: HttpParser) -> HttpParser:
        if value == "httptools" and find_spec(value) is None:
            raise ValueError("httptools is not installed: install the extra 'fast', or use auto or h11")
        return value

    @model_validator(mode="after")
    def _validate_oauth(self) -> Self:
        if (self.issuer is None) != (self.jwks_url is None):
            raise ValueError("CUSTOMERIO_HTTP_ISSUER and CUSTOMERIO_HTTP_JWKS_URL must be set together")
        if self.issuer is not None and self.public_url is None:
            raise ValueError(
                "CUSTOMERIO_HTTP_PUBLIC_URL must be set if CUSTOMERIO_HTTP_ISSUER is: clients request tokens for it"
            )
        if self.issuer is None and (self.audience or self.required_scopes):
            raise ValueError(
                "CUSTOMERIO_HTTP_AUDIENCE and CUSTOMERIO_HTTP_REQUIRED_SCOPES have no effect without "
                "CUSTOMERIO_HTTP_ISSUER"
            )
        return self

    @property
    def authentication(self) -> str:
        """How callers authenticate: `tokens`, `oauth`, `tokens,oauth` or `none`."""
        kinds = {"tokens": self.tokens is not None or self.tokens_file is not None, "oauth": self.issuer is not None}
        return ",".join(kind for kind, is_used in kinds.items() if is_used) or "none"

    @property
    def requires_authentication(self) -> bool:
        """Whether callers must authenticate."""
        return self.authentication != "none"
