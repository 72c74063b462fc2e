"""Where settings come from, and how invalid ones are reported: one line each.

Sources, by precedence: environment variables, a `.env` file in the working directory, secret files in `/run/secrets`
(or `CUSTOMERIO_SECRETS_DIR`), one file per setting, named like the variable in lower case.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

import pydantic_settings
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsError(Exception):
    """The settings are invalid.

    Attributes:
        problems: one line for each invalid setting, without secret values.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class EnvironmentSettings(BaseSettings):
    """Base class of settings. A subclass sets the prefix of its variables."""

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
            overrides: settings that take precedence over the environment.

        Raises:
            SettingsError: with one line for each invalid setting.
        """
        secrets = Path(os.environ.get("CUSTOMERIO_SECRETS_DIR", "/run/secrets"))
        try:
            return cls(_secrets_dir=secrets if secrets.is_dir() else None, **overrides)
        except ValidationError as error:
            raise SettingsError([cls._line(detail) for detail in error.errors()]) from None
        except (pydantic_settings.SettingsError, UnicodeError, OSError):
            raise SettingsError(["the .env file or a secret file cannot be read as UTF-8 text"]) from None

    @classmethod
    def variable(cls, field: str) -> str:
        """Return the name of the environment variable of a field."""
        return f"{cls.model_config['env_prefix']}{field}".upper()

    @classmethod
    def missing_message(cls, field: str) -> str:
        """Return what to report, after its name, about a required setting that is not set."""
        del field
        return "is not set"

    @classmethod
    def _line(cls, detail: ErrorDetails) -> str:
        message = detail["msg"].removeprefix("Value error, ")
        if not detail["loc"]:
            return message
        field = str(detail["loc"][0])
        if detail["type"] == "missing":
            return f"{cls.variable(field)} {cls.missing_message(field)}"
        return f"{cls.variable(field)}: {message}"
