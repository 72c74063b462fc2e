"""What the values of command-line arguments may be. Each function returns the value, or raises `ArgumentTypeError`."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta
from typing import Final

HOST_NAMES: Final = ("claude-desktop", "claude-code", "cursor", "vscode", "windsurf", "gemini-cli", "codex")
"""The hosts of the catalog, which is not loaded to serve one. A test keeps them in step."""

WITH_SANDBOX: Final = ("stdio", "http", "check", "install")
"""The commands with the option `--sandbox`."""

_MAX_PORT: Final = 65535
_MAX_WORKERS: Final = 64
_MAX_TIMEOUT_SECONDS: Final = 86_400
_ENTRY_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
"""Gemini CLI misreads underscores, and other hosts reject dots and spaces."""
_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DURATION: Final = re.compile(r"([0-9]{1,9})([mhd])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


def read_sandbox(text: str) -> str:
    """Read the URL of a sandbox."""
    if text in HOST_NAMES:
        problem = f"{text!r} is not a URL; the host comes first: customerio-track-mcp install {text} --sandbox"
    elif text in WITH_SANDBOX:
        problem = f"{text!r} is not a URL; a command comes first: customerio-track-mcp {text} --sandbox"
    else:
        from customerio_track_mcp.settings.sandbox_choice import sandbox_url

        try:
            return sandbox_url(text)
        except ValueError as error:
            problem = str(error)
    raise ArgumentTypeError(problem)


def read_port(text: str) -> int:
    """Read a port; 0 is any free one."""
    return _number(text, "port", 0, _MAX_PORT)


def read_workers(text: str) -> int:
    """Read a number of worker processes."""
    return _number(text, "number of workers", 1, _MAX_WORKERS)


def _number(text: str, what: str, lowest: int, highest: int) -> int:
    if text.isdecimal() and lowest <= int(text) <= highest:
        return int(text)
    raise ArgumentTypeError(f"invalid {what} {text!r}: expected {lowest} to {highest}")


def read_timeout(text: str) -> float:
    """Read a number of seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if 0 < seconds <= _MAX_TIMEOUT_SECONDS:
        return seconds
    raise ArgumentTypeError(f"invalid timeout {text!r}: expected seconds, more than 0 and up to {_MAX_TIMEOUT_SECONDS}")


def read_name(text: str) -> str:
    """Read the name of a caller."""
    from customerio_track_mcp.settings.http import CALLER_NAME

    if CALLER_NAME.fullmatch(text):
        return text
    raise ArgumentTypeError(f"invalid name {text!r}: expected letters, digits, '.', '_' and '-'")


def read_host(text: str) -> str:
    """Read the name of an MCP host."""
    if text in HOST_NAMES:
        return text
    raise ArgumentTypeError(
        f"invalid host {text!r}: expected {', '.join(HOST_NAMES)}; for any other, use 'install --print'"
    )


def read_hostname(text: str) -> str:
    """Read a hostname by which clients reach the sandbox."""
    from customerio_track_mcp.settings.allow_lists import canonical_hostname

    hostname = canonical_hostname(text, default_ports=())
    if hostname and (hostname.endswith("]") or ":" not in hostname):
        return hostname.strip("[]")
    raise ArgumentTypeError(
        f"invalid hostname {text!r}: expected one such as sandbox, without scheme, port, path or wildcard"
    )


def read_entry_name(text: str) -> str:
    """Read the name of an entry in a host's configuration."""
    if _ENTRY_NAME.fullmatch(text):
        return text
    raise ArgumentTypeError(f"invalid name {text!r}: expected up to 64 letters, digits and '-'")


def read_variable(text: str) -> tuple[str, str | None]:
    """Read NAME=VALUE, or NAME: then the value is None."""
    name, equals, value = text.partition("=")
    if not _VARIABLE_NAME.fullmatch(name):
        raise ArgumentTypeError("invalid variable: expected NAME=VALUE, or NAME")
    return name, value if equals else None


def read_scopes(text: str) -> list[str]:
    """Read scopes, separated by commas or spaces."""
    from customerio_track_mcp.http.auth.scopes import KNOWN_SCOPES

    scopes = text.replace(",", " ").split()
    if not scopes or not KNOWN_SCOPES.issuperset(scopes):
        raise ArgumentTypeError(f"invalid scope {text!r}: expected {', '.join(sorted(KNOWN_SCOPES))}")
    return scopes


def read_since(text: str) -> datetime:
    """Read a time, or a duration before now."""
    now = datetime.now(UTC)
    try:
        if duration := _DURATION.fullmatch(text):
            return now - timedelta(**{_UNITS[duration[2]]: int(duration[1])})
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(
            f"invalid time {text!r}: expected a duration such as 90m, 24h or 7d, or a time such as 2026-01-31 or "
            "2026-01-31T12:00:00Z (UTC, unless it has another offset)"
        ) from None
