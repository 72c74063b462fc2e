"""Where settings come from, and how invalid ones are reported: one line each.

Sources, by precedence: environment variables, the file that `CUSTOMERIO_ENV_FILE` names, secret files in `/run/secrets`
(or `CUSTOMERIO_SECRETS_DIR`), one file per setting, named like the variable in lower case. Nothing is read from the
working directory by itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from customerio_track_mcp.settings.env_file import ENV_FILE_VARIABLE, EnvFileError, read_env_file
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.secret_files import SecretFileError, read_secret_files

SECRETS_DIR_VARIABLE: Final = "CUSTOMERIO_SECRETS_DIR"
_EXPECTED: Final = {
    "bool_parsing": "expected true or false",
    "int_parsing": "expected a whole number",
    "int_parsing_size": "expected a smaller whole number",
    "float_parsing": "expected a number",
}
"""What is accepted, by pydantic's types of errors; its own messages do not say it, or in words of a program."""


def secrets_directory() -> Path:
    """Return the directory of the secret files, which may not exist."""
    return Path(os.environ.get(SECRETS_DIR_VARIABLE) or "/run/secrets")


class EnvironmentSettings(BaseModel):
    """Base class of settings. A subclass sets the prefix of its variables."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, validate_default=True)

    prefix: ClassVar[str]

    @classmethod
    def from_environment(cls, **overrides: Any) -> Self:
        """Read the settings.

        Args:
            overrides: settings that take precedence over the environment.

        Raises:
            SettingsError: with one line for each invalid setting.
        """
        try:
            in_env_file = cls._values_in_env_file()
            in_files = cls._values_in_secret_files() | in_env_file
        except EnvFileError as error:
            raise SettingsError([f"{ENV_FILE_VARIABLE}: {error}"]) from None
        except SecretFileError as error:
            raise SettingsError([str(error)]) from None
        return cls.from_values(in_files | cls._values_of(os.environ) | overrides)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Self:
        """Validate settings; those that `values` lacks have their defaults.

        Raises:
            SettingsError: with one line for each invalid setting.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError([cls._line(detail) for detail in error.errors()]) from None

    def with_defaults(self, **defaults: Any) -> Self:
        """Return the settings with these values for those that are not set anywhere."""
        return self.model_copy(
            update={name: value for name, value in defaults.items() if name not in self.model_fields_set}
        )

    @classmethod
    def variable(cls, field: str) -> str:
        """Return the name of the environment variable of a field."""
        return f"{cls.prefix}{field}".upper()

    @classmethod
    def _values_of(cls, variables: Mapping[str, str]) -> dict[str, Any]:
        """Return the values of fields whose variable is set and not empty. Its name may be in any case."""
        set_variables = {name.upper(): value for name, value in variables.items() if value}
        fields = {cls.variable(field): field for field in cls.model_fields}
        return {field: set_variables[variable] for variable, field in fields.items() if variable in set_variables}

    @classmethod
    def _values_in_env_file(cls) -> dict[str, Any]:
        path = os.environ.get(ENV_FILE_VARIABLE)
        return cls._values_of(read_env_file(Path(path))) if path else {}

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
