"""Ask a person for the credentials and the region that the settings lack."""

from __future__ import annotations

import getpass
import sys
import warnings
from collections.abc import Callable
from typing import Any, Final

from customerio_track_mcp.cli.output import print_status
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.server import API_CREDENTIALS_PAGE, Settings
from customerio_track_mcp.track import Region

_MAX_ATTEMPTS: Final = 3


def ask_credentials() -> Settings:
    """Return settings whose `credentials` are set.

    They are read from the environment, the env file and secret files, but not from the key store. If the Site ID or the
    API key is in none of them, the person at the terminal is asked for it, and for the region if that is missing too.

    Raises:
        SettingsError: a setting is invalid, a terminal is missing, or what was entered is invalid three times.
    """
    settings = Settings.from_environment(key_store=None)
    missing = settings.missing_credentials
    if not missing:
        return settings
    if not has_terminal():
        raise SettingsError(
            [
                f"{missing}, and without a terminal nobody can be asked: set CUSTOMERIO_SITE_ID, CUSTOMERIO_API_KEY "
                "and CUSTOMERIO_REGION in the environment, in a file that --env-file names, or as secret files"
            ]
        )
    print_status(f"the Site ID and the Tracking API key are in {API_CREDENTIALS_PAGE}")
    entered: dict[str, Any] = {"key_store": None}
    if Settings.variable("site_id") in missing:
        settings = _ask("site_id", _read_line, "Site ID: ", entered)
    if Settings.variable("api_key") in missing:
        settings = _ask("api_key", _read_hidden, "Tracking API key (not shown): ", entered)
    if "region" not in settings.model_fields_set:
        default = settings.region
        prompt = f"Region of the workspace, {' or '.join(Region)} [{default}]: "
        settings = _ask("region", lambda text: _read_line(text) or default, prompt, entered)
    return settings


def _ask(field: str, read: Callable[[str], str], prompt: str, entered: dict[str, Any]) -> Settings:
    """Ask for a setting until it is valid, add it to `entered`, and return the settings with all that was entered."""
    problems: list[str] = []
    for _ in range(_MAX_ATTEMPTS):
        for problem in problems:
            print_status(problem)
        try:
            entered[field] = read(prompt)
            return Settings.from_environment(**entered)
        except SettingsError as error:
            problems = error.problems
        except UnicodeError:
            problems = [f"{Settings.variable(field)}: is not text in the encoding of this terminal"]
        except EOFError:
            raise SettingsError([f"{Settings.variable(field)} is not set: nothing was entered"]) from None
        except getpass.GetPassWarning:
            raise SettingsError(
                [f"this terminal cannot hide what is entered; set {Settings.variable(field)} instead"]
            ) from None
    raise SettingsError(problems)


def has_terminal() -> bool:
    """Return whether a person can read a prompt and respond to it; stdout may be a file."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _read_line(prompt: str) -> str:
    sys.stderr.write(prompt)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip()


def _read_hidden(prompt: str) -> str:
    with warnings.catch_warnings():
        # Without control of the terminal, getpass would warn and show what is entered.
        warnings.simplefilter("error", getpass.GetPassWarning)
        return getpass.getpass(prompt, sys.stderr)
