"""A sandbox as the upstream of a server: its URL, its credentials, and what the model must know."""

from __future__ import annotations

from typing import Final

from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import Region
from customerio_track_mcp.upstream import RecordCall, Upstream

LOOPBACK: Final = "127.0.0.1"
OF_WORKSPACE: Final = {"api_key": None, "site_id": None, "key_store": None, "track_url": None, "region": Region.US}
"""Instead of the environment's settings that are not for the sandbox, so that they need not be valid."""


def sandbox_upstream(url: str, *, dry_run: bool = False) -> Upstream:
    """Return the sandbox at `url`, with the sandbox's own credentials.

    Args:
        url: the sandbox's base URL.
        dry_run: whether nothing is sent, whatever the settings say.

    Raises:
        SettingsError: a setting is invalid.
    """
    return upstream_of_sandbox(sandbox_settings(dry_run=dry_run), url)


def sandbox_settings(*, dry_run: bool = False) -> Settings:
    """Return the settings with the sandbox's own credentials; those of the workspace need not be valid.

    Args:
        dry_run: whether nothing is sent, whatever the settings say.

    Raises:
        SettingsError: a setting is invalid.
    """
    from customerio_track_mcp.sandbox import SANDBOX_API_KEY, SANDBOX_SITE_ID

    credentials = {"api_key": SANDBOX_API_KEY, "site_id": SANDBOX_SITE_ID}
    return Settings.from_environment(**OF_WORKSPACE | credentials | overrides(dry_run=dry_run))


def local_sandbox_url(port: int) -> str:
    """Return the URL of a sandbox that runs on a port of this machine."""
    return f"http://{LOOPBACK}:{port}"


def upstream_of_sandbox(settings: Settings, url: str, record_call: RecordCall | None = None) -> Upstream:
    """Return the sandbox at `url`, with settings that have the sandbox's credentials.

    Args:
        settings: those of the server.
        url: the sandbox's base URL.
        record_call: adds a tool call to its timeline, if it runs in this process.
    """
    note = f"This is a sandbox without real data: watch what arrives at {url}"
    return Upstream(settings, url, note, is_sandbox=True, record_call=record_call)


def overrides(*, dry_run: bool) -> dict[str, bool]:
    """Return the settings that an option decides, whatever the environment says."""
    # Only to switch it on: without the option, the settings decide.
    return {"dry_run": True} if dry_run else {}
