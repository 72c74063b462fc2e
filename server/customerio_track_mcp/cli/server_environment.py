"""The environment variables that a host sets for the server: settings, credentials, or where the credentials are."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio
from pydantic import SecretStr

from customerio_track_mcp.cli.ask_credentials import ask_credentials, has_terminal
from customerio_track_mcp.cli.check import check
from customerio_track_mcp.cli.options.hosts import InstallOptions
from customerio_track_mcp.cli.output import print_status
from customerio_track_mcp.hosts.diff import MASK
from customerio_track_mcp.instrumentation.logs import configure_logging
from customerio_track_mcp.settings.base import SECRETS_DIR_VARIABLE
from customerio_track_mcp.settings.env_file import ENV_FILE_VARIABLE
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.key_store import KeyStore, KeyStoreError, NoEntryError
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.settings.unknown_variables import why_not_for_a_host
from customerio_track_mcp.track import Credentials

_API_KEY: Final = Settings.variable("api_key")
_SITE_ID: Final = Settings.variable("site_id")
_REGION: Final = Settings.variable("region")
_TRACK_URL: Final = Settings.variable("track_url")
_KEY_STORE: Final = Settings.variable("key_store")
_PATHS: Final = frozenset({ENV_FILE_VARIABLE, SECRETS_DIR_VARIABLE})
_ELSEWHERE: Final = _PATHS | {_KEY_STORE}
"""Variables that say where the credentials are, so that they need not be in the host's configuration."""

_SETTINGS: Final = {Settings.variable(name): name for name in Settings.model_fields}
_SECRET_SETTINGS: Final = frozenset(
    variable for variable, name in _SETTINGS.items() if "SecretStr" in str(Settings.model_fields[name].annotation)
)
PUBLIC_VARIABLES: Final = frozenset(_SETTINGS) - _SECRET_SETTINGS | _ELSEWHERE
"""Variables whose values may be shown."""

KEY_STORE_TIMEOUT: Final = 120.0
"""Seconds to wait for a key store, which may ask the person for a password in a window."""


class CheckFailedError(Exception):
    """The credentials cannot be used. What is wrong was printed."""


@dataclass(frozen=True, slots=True)
class ServerEnvironment:
    """What a host sets for the server.

    Attributes:
        variables: the environment variables.
        key_store: the key store that the key must be saved in before the server is started; None if it is elsewhere.
        credentials: what to save there.
    """

    variables: Mapping[str, str] = field(repr=False)
    key_store: KeyStore | None = None
    credentials: Credentials | None = None

    @property
    def secrets(self) -> frozenset[str]:
        """The names of variables whose values must not be shown."""
        return frozenset(self.variables) - PUBLIC_VARIABLES

    def save_key(self) -> None:
        """Save the key in the key store, if that is where it is kept.

        Raises:
            SettingsError: it cannot be saved.
        """
        if self.key_store is None or self.credentials is None:
            return
        entry = self.variables[_KEY_STORE]
        try:
            if _differs(self.key_store, entry, self.credentials):
                print_status(
                    f"the entry {entry} of {self.key_store.name} had another key; every host that uses it gets this one"
                )
            self.key_store.save(entry, self.credentials)
        except KeyStoreError as error:
            raise SettingsError(
                [f"the key was not saved: {error}; --no-key-store keeps it in the host's file"]
            ) from None
        print_status(f"the key is in {self.key_store.name}, as {entry}")


def sandbox_environment(variables: Sequence[tuple[str, str | None]]) -> ServerEnvironment:
    """Return the environment of a server with an embedded sandbox.

    Raises:
        SettingsError: a variable is invalid.
    """
    return ServerEnvironment(_validated(variables))


def planned_environment(options: InstallOptions) -> ServerEnvironment:
    """Return the environment as `workspace_environment` does, without asking or checking anything.

    Credentials that are not set are masked.

    Raises:
        SettingsError: a setting is invalid.
    """
    variables = _validated(options.env)
    os.environ.update(variables)
    settings = Settings.from_environment(key_store=None)
    credentials = settings.credentials or Credentials(MASK, MASK)
    entry = options.name if options.key_store else None
    return ServerEnvironment(_variables(settings, variables, credentials, entry))


def workspace_environment(options: InstallOptions) -> ServerEnvironment:
    """Return the environment of a server for a workspace, after a test of its credentials.

    What the settings lack is asked for on the terminal.

    Raises:
        SettingsError: a setting is invalid or missing, or the key store cannot be used although it was asked for.
        CheckFailedError: the tools cannot be used with these credentials.
    """
    variables = _validated(options.env)
    os.environ.update(variables)
    settings = Settings.from_environment() if _ELSEWHERE & variables.keys() else ask_credentials()
    settings = _checked(settings, correct_region=_REGION not in variables)
    if _ELSEWHERE & variables.keys() or settings.credentials is None:
        return ServerEnvironment(_variables(settings, variables, None, None))
    key_store = _key_store(options.key_store)
    entry = options.name if key_store is not None else None
    return ServerEnvironment(
        _variables(settings, variables, settings.credentials, entry), key_store, settings.credentials
    )


def _validated(pairs: Sequence[tuple[str, str | None]]) -> dict[str, str]:
    problems, variables = [], {}
    for name, value in pairs:
        if reason := why_not_for_a_host(name):
            problems.append(f"--env: {name} {reason}")
        elif value is None and name not in os.environ:
            problems.append(f"--env: {name} is not set in this environment; pass {name}=VALUE")
        elif value is not None and name in _SECRET_SETTINGS:
            problems.append(
                f"--env: {name} is a secret, which others can see on a command line; set it in this environment and "
                f"pass --env {name}"
            )
        else:
            variables[name] = os.environ[name] if value is None else value
            if not variables[name].isprintable():
                problems.append(f"--env: {name} contains characters that are not printable")
            if name in _PATHS and not Path(variables[name]).is_absolute():
                problems.append(
                    f"--env: {name} is a relative path, and hosts start the server in any folder; pass an absolute one"
                )
    if problems:
        raise SettingsError(problems)
    _require_valid(variables)
    return variables


def _require_valid(variables: Mapping[str, str]) -> None:
    """Check the values of settings. Others of this environment may be invalid, which is not about a sandbox."""
    given = {_SETTINGS[name]: value for name, value in variables.items() if name in _SETTINGS and name != _KEY_STORE}
    try:
        Settings.from_environment(key_store=None, **given)
    except SettingsError as error:
        problems = [line for line in error.problems if line.partition(":")[0] in variables]
        if problems:
            raise SettingsError([f"--env: {problem}" for problem in problems]) from None


def _variables(
    settings: Settings, given: Mapping[str, str], credentials: Credentials | None, entry: str | None
) -> dict[str, str]:
    variables = {}
    if not _ELSEWHERE & given.keys():
        if entry is not None:
            variables[_KEY_STORE] = entry
        elif credentials is not None:
            variables[_SITE_ID] = credentials.site_id
            variables[_API_KEY] = credentials.api_key
    if ENV_FILE_VARIABLE not in given:
        _report_settings_left_out(settings, given)
    variables[_REGION] = str(settings.region)
    if settings.track_url is not None:
        variables[_TRACK_URL] = settings.track_url  # the check was made there
    return variables | dict(given)


def _report_settings_left_out(settings: Settings, given: Mapping[str, str]) -> None:
    """Print which settings of this environment or of its env file the server will not have in the host."""
    set_here = {Settings.variable(name) for name in settings.model_fields_set}
    left_out = set_here - given.keys() - {_API_KEY, _SITE_ID, _KEY_STORE, _REGION, _TRACK_URL}
    if left_out:
        print_status(
            f"not copied to the host: {', '.join(sorted(left_out))}; pass --env NAME=VALUE for each that the server "
            "needs there"
        )


def _checked(settings: Settings, *, correct_region: bool) -> Settings:
    logging_settings = settings.with_defaults(log_level="ERROR")
    configure_logging(logging_settings.log_level, logging_settings.log_format)
    verdict = anyio.run(check, settings)
    if not verdict.is_usable and correct_region and verdict.region not in (None, settings.region):
        print_status(f"the workspace is in region {verdict.region}, not {settings.region}: using {verdict.region}")
        settings = settings.model_copy(update={"region": verdict.region})
        verdict = anyio.run(check, settings)
    for line in verdict.lines:
        print_status(line)
    if not verdict.is_usable:
        raise CheckFailedError
    return settings


def _key_store(wanted: bool | None) -> KeyStore | None:
    """Return the key store if the key is to be kept there."""
    if wanted is False or (wanted is None and not has_terminal()):
        return None
    try:
        key_store = KeyStore.open(KEY_STORE_TIMEOUT)
    except KeyStoreError as error:
        if wanted:
            raise SettingsError([f"--key-store: {error}"]) from None
        print_status(f"the key store of this system is not used: {error}")
        return None
    return key_store if wanted or _agrees(f"Keep the key in {key_store.name}? [Y/n] ") else None


def _differs(key_store: KeyStore, entry: str, credentials: Credentials) -> bool:
    try:
        saved = key_store.load(entry)
    except NoEntryError:
        return False
    return saved != SecretStr(f"{credentials.site_id}:{credentials.api_key}")


def _agrees(question: str) -> bool:
    sys.stderr.write(question)
    sys.stderr.flush()
    try:
        line = sys.stdin.readline()
    except UnicodeDecodeError:
        line = "no"
    return bool(line) and line.strip().lower() in ("", "y", "yes")
