"""Can the tools be used with a sandbox? For the command `check --sandbox`; the words are for a person."""

from __future__ import annotations

from typing import Final

from customerio_track_mcp import __version__
from customerio_track_mcp.cli.check import Verdict
from customerio_track_mcp.cli.sandbox_identity import NoSandboxError, sandbox_version
from customerio_track_mcp.cli.sandbox_upstream import local_sandbox_url
from customerio_track_mcp.runtime import create_client
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import TrackError

_HOW_TO_AVOID: Final = (
    "another program uses that address: correct the URL, or set CUSTOMERIO_SANDBOX_PORT to a free port"
)


async def check_sandbox(settings: Settings, named: str | None) -> Verdict:
    """Ask a sandbox what a server would ask it.

    Args:
        settings: with the credentials of the sandbox.
        named: its base URL; None for the one on this machine that a server would use if it runs.

    Raises:
        SettingsError: the proxy or certificate variables of the environment cannot be used.
    """
    if named is None and not settings.sandbox_port:
        return _failed(
            "CUSTOMERIO_SANDBOX_PORT is 0, so that each server starts a sandbox of its own. Pass the URL of the one to "
            "check."
        )
    url = named or local_sandbox_url(settings.sandbox_port)
    try:
        version = await sandbox_version(url)
    except NoSandboxError as error:
        return _failed(f"{_sentence(str(error))} {_sentence(error.advice or _HOW_TO_AVOID)}")
    if named is None and version != __version__:
        return _failed(
            f"The sandbox at {url} is of version {version}, and this program of {__version__}. Stop it, and start one "
            "with this program; until then, a server with --sandbox starts its own on another port."
        )
    return await _call(settings, url, version)


async def _call(settings: Settings, url: str, version: str) -> Verdict:
    settings = settings.with_defaults(max_attempts=2, time_budget=10.0)
    try:
        async with create_client(settings, url) as client:
            await client.find_region()
    except TrackError as error:
        return _failed(f"The sandbox at {url} does not respond as one: {error}. Start it again.")
    lines = [f"OK: the tools can be used with the sandbox at {url}. Open it in a browser to watch."]
    if version != __version__:
        lines.append(f"That sandbox is of version {version}, and this program of {__version__}.")
    return Verdict(is_usable=True, lines=lines)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _failed(reason: str) -> Verdict:
    return Verdict(is_usable=False, lines=[f"FAILED: {reason}"])
