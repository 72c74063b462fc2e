"""Reading settings from the environment, with one line for each that can't be used.

Sources, first one wins: environment variables, a `.env` file in the working directory, secret files in
`/run/secrets` (or `CUSTOMERIO_SECRETS_DIR`), one file a setting, named like the variable in small letters.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError


class BadSettingsError(Exception):
    """The environment's settings can't be used.

    Attributes:
        problems: one line for each bad setting; none of them shows a value that is secret.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class EnvironmentSettings(BaseSettings):
    """Base of settings. A subclass says the prefix of its variables."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def from_environment(cls, **overrides: Any) -> Self:
        """Read the settings.

        Args:
            overrides: settings that take the place of what the environment says.

        Raises:
            BadSettingsError: with one line for each bad setting.
        """
        secrets = Path(os.environ.get("CUSTOMERIO_SECRETS_DIR", "/run/secrets"))
        try:
            return cls(_secrets_dir=secrets if secrets.is_dir() else None, **overrides)
        except ValidationError as error:
            raise BadSettingsError([cls._line(detail) for detail in error.errors()]) from None
        except (SettingsError, UnicodeError, OSError):
            raise BadSettingsError(["the .env file or a secret file can't be read as UTF-8 text"]) from None

    @classmethod
    def variable(cls, field: str) -> str:
        """The environment variable of a field."""
        return f"{cls.model_config['env_prefix']}{field}".upper()

    @classmethod
    def missing(cls, field: str) -> str:
        """What is told of a required setting that is not there, after its name."""
        del field
        return "is not set"

    @classmethod
    def _line(cls, detail: ErrorDetails) -> str:
        told = detail["msg"].removeprefix("Value error, ")
        if not detail["loc"]:
            return told
        field = str(detail["loc"][0])
        if detail["type"] == "missing":
            return f"{cls.variable(field)} {cls.missing(field)}"
        return f"{cls.variable(field)}: {told}"


def upper(value: object) -> object:
    """Forgive the case and the spaces of a word."""
    return value.strip().upper() if isinstance(value, str) else value


def lower(value: object) -> object:
    """Forgive the case and the spaces of a word."""
    return value.strip().lower() if isinstance(value, str) else value


def split(value: object) -> object:
    """Read words that are separated by commas or white space."""
    return value.replace(",", " ").split() if isinstance(value, str) else value
