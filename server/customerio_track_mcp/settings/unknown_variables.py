"""`CUSTOMERIO_` variables that are not settings: a misspelled name would otherwise be ignored without notice.

A misspelled CUSTOMERIO_HTTP_TOKENS leaves a service open, a misspelled CUSTOMERIO_REGION sends data to the wrong one.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from customerio_track_mcp.settings.base import SECRETS_DIR_VARIABLE, secrets_directory
from customerio_track_mcp.settings.env_file import ENV_FILE_VARIABLE, EnvFileError, read_env_file
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import shorten

MAX_REPORTED: Final = 20
"""Names that are reported one by one, so that a file of another kind does not fill the log."""

_MAX_NAME_CHARACTERS: Final = 64
_PREFIX: Final = "CUSTOMERIO"
_OTHER_PREFIX: Final = "CUSTOMER_IO"
"""Others use this prefix too: such a name is reported only if it is close to a setting's."""

_OPTIONS: Final = {
    "CUSTOMERIO_HTTP_HOST": "--host",
    "CUSTOMERIO_HTTP_PORT": "--port",
    "CUSTOMERIO_HTTP_WORKERS": "--workers",
}
"""Names that are not settings, since the command `http` has these options for them."""
_HOW_TO_LIST: Final = "'customerio-track-mcp --help' lists the settings"
_LOCATIONS: Final = frozenset({ENV_FILE_VARIABLE, SECRETS_DIR_VARIABLE})
"""Where settings are read from: only the environment names these, and only in upper case."""


def unknown_variables() -> list[str]:
    """Describe the variables, lines of the env file and secret files that look like settings and are not read.

    Returns:
        One line for each, at most `MAX_REPORTED` and one with the number of the others. They contain names and the
        closest known name, and never a value.
    """
    settings = {Settings.variable(field) for field in Settings.model_fields}
    if not any(_candidates(settings)):
        return []
    settings |= _http_settings()
    found = [_line(name, source, settings) for name, source in _candidates(settings)]
    lines = [line for line in found if line]
    if len(lines) > MAX_REPORTED:
        lines[MAX_REPORTED:] = [f"{len(lines) - MAX_REPORTED} more {_PREFIX}_ names are not settings"]
    return lines


def why_not_for_a_host(name: str) -> str:
    """Return why a host must not set this variable for the server that it starts; empty if it may.

    Variables that are not meant as settings, such as HTTPS_PROXY, are the caller's own.
    """
    if not _is_ours(name):
        return ""
    known = {Settings.variable(field) for field in Settings.model_fields}
    if name in known or name in _LOCATIONS:
        return ""
    if name in _http_settings():
        return "is a setting of the HTTP service, which hosts do not start"
    closest = _closest(name.upper(), known)
    if not closest and not name.upper().startswith(_PREFIX):
        return ""
    return f"is not a setting; {f'did you mean {closest}?' if closest else _HOW_TO_LIST}"


def _http_settings() -> set[str]:
    from customerio_track_mcp.settings.http import HttpSettings  # few servers over stdio need it

    return {HttpSettings.variable(field) for field in HttpSettings.model_fields}


def _candidates(settings: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield names that may be meant as settings, and where they are from."""
    environment = os.environ
    for name in sorted(environment):
        is_known = name.upper() in settings or name in _LOCATIONS
        if _is_ours(name) and not is_known and not _is_service_link(name, environment):
            yield name, ""
    in_file = _names_in_env_file()
    for name in sorted(in_file):
        if _is_ours(name) and name not in settings and not _is_service_link(name, in_file):
            yield name, f" in the file that {ENV_FILE_VARIABLE} names"
    named = {*environment.values(), *in_file.values()}
    for path in _secret_files():
        if _is_ours(path.name) and path.name.upper() not in settings and str(path) not in named:
            yield path.name, f" in {path.parent}"


def _line(name: str, source: str, settings: Collection[str]) -> str:
    shown = shorten(name, _MAX_NAME_CHARACTERS)
    if (upper := name.upper()) in _LOCATIONS:
        return f"{shown}{source} is ignored: set {upper} as an environment variable, in upper case"
    if option := _OPTIONS.get(upper):
        return f"{shown}{source} is not a setting and is ignored; pass the option {option} to the command http"
    closest = _closest(upper, settings)
    if not closest and not upper.startswith(_PREFIX):
        return ""
    what_to_do = f"did you mean {closest}?" if closest else _HOW_TO_LIST
    return f"{shown}{source} is not a setting and is ignored; {what_to_do}"


def _closest(name: str, settings: Collection[str]) -> str:
    wanted = name[:_MAX_NAME_CHARACTERS].replace(_OTHER_PREFIX, _PREFIX).replace("-", "_").replace(".", "_")
    words = wanted.removeprefix(_PREFIX).strip("_")
    # Without the prefix, which would make every name similar to every other one.
    by_words = {setting.removeprefix(f"{_PREFIX}_"): setting for setting in sorted({*settings, *_LOCATIONS})}
    without_http = {words_of.removeprefix("HTTP_"): setting for words_of, setting in by_words.items()}
    candidates = without_http | by_words
    return next((candidates[match] for match in get_close_matches(words, candidates, n=1)), "")


def _is_ours(name: str) -> bool:
    return name.upper().startswith((_PREFIX, _OTHER_PREFIX))


def _is_service_link(name: str, variables: Mapping[str, str]) -> bool:
    """Return whether Kubernetes set the variable for a Service whose name starts like ours.

    It sets NAME_SERVICE_HOST, NAME_SERVICE_PORT, NAME_PORT and more for each Service of the namespace.
    """
    for separator in ("_SERVICE_HOST", "_SERVICE_PORT", "_PORT"):
        service, found, _ = name.partition(separator)
        if found and f"{service}_SERVICE_HOST" in variables:
            return True
    return False


def _names_in_env_file() -> Mapping[str, str]:
    path = os.environ.get(ENV_FILE_VARIABLE)
    try:
        return read_env_file(Path(path)) if path else {}
    except EnvFileError:
        return {}  # reported when the settings are read


def _secret_files() -> list[Path]:
    try:
        return sorted(path for path in secrets_directory().iterdir() if path.is_file())
    except OSError:
        return []  # likewise, or there are none
