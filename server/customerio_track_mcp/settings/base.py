"""Where settings come from, and how invalid ones are reported: one line each.

Sources, by precedence: environment variables, the file that `CUSTOMERIO_ENV_FILE` names, secret files in `/run/secrets`
(or `CUSTOMERIO_SECRETS_DIR`), one file per setting, named like the variable in lower case. Nothing is read from the
working directory by itself.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, Self

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from customerio_track_mcp.settings.env_file import ENV_FILE_VARIABLE, EnvFileError, read_env_file
from customerio_track_mcp.settings.secret_files import SecretFileError, read_secret_files

SECRETS_DIR_VARIABLE: Final = "CUSTOMERIO_SECRETS_DIR"
_EXPECTED: Final = {
    "bool_parsing": "expected true or false",
    "int_parsing": "expected a whole number",
    "int_parsing_size": "expected a smaller whole number",
    "float_parsing": "expected a number",
}
"""What is accepted, by pydantic's types of errors; its own messages do not say it, or in words of a program."""


class SettingsError(Exception):
    """The settings are invalid.

    Attributes:
        problems: one line for each invalid setting, without secret values.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def secrets_directory() -> Path:
    """Return the directory of the secret files, which may not exist."""
    return Path(os.environ.get(SECRETS_DIR_VARIABLE) or "/run/secrets")


class EnvironmentSettings(BaseSettings):
    """Base class of settings. A subclass sets the prefix of its variables."""

    model_config = SettingsConfigDict(
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
        try:
            return cls(**overrides)
        except ValidationError as error:
            raise SettingsError([cls._line(detail) for detail in error.errors()]) from None
        except EnvFileError as error:
            raise SettingsError([f"{ENV_FILE_VARIABLE}: {error}"]) from None
        except SecretFileError as error:
            raise SettingsError([str(error)]) from None

    def with_defaults(self, **defaults: Any) -> Self:
        """Return the settings with these values for those that are not set anywhere."""
        return self.model_copy(
            update={name: value for name, value in defaults.items() if name not in self.model_fields_set}
        )

    @classmethod
    def variable(cls, field: str) -> str:
        """Return the name of the environment variable of a field."""
        return f"{cls.model_config['env_prefix']}{field}".upper()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where values come from, by precedence; called by pydantic-settings.

        Its own sources for files ignore a file that they cannot find or that is not a regular one, and read a file of
        any size; the one for env files ignores lines that it cannot parse, too, and waits for a FIFO.
        """
        del dotenv_settings, file_secret_settings
        files = (cls._values_in_env_file(), cls._values_in_secret_files())
        return init_settings, env_settings, *(InitSettingsSource(settings_cls, values) for values in files)

    @classmethod
    def _values_in_env_file(cls) -> dict[str, Any]:
        path = os.environ.get(ENV_FILE_VARIABLE)
        if not path:
            return {}
        variables = read_env_file(Path(path))
        values = {field: variables.get(cls.variable(field)) for field in cls.model_fields}
        return {field: value for field, value in values.items() if value}

    @classmethod
    def _values_in_secret_files(cls) -> dict[str, Any]:
        fields = {cls.variable(field): field for field in cls.model_fields}
        return {fields[variable]: value for variable, value in read_secret_files(secrets_directory(), fields).items()}

    @classmethod
    def _line(cls, detail: ErrorDetails) -> str:
        message = _EXPECTED.get(detail["type"]) or detail["msg"].removeprefix("Value error, ")
        if not detail["loc"]:
            return message
        field = str(detail["loc"][0])
        return f"{cls.variable(field)}: {message}"
