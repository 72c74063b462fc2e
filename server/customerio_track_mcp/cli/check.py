"""The command `check`: do the credentials serve, and for which workspace in which region?"""

from __future__ import annotations

from collections.abc import Callable

from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.tools.guidance import explain, mend, sentence
from customerio_track_mcp.track import Region, RequestFailedError, TrackError
from customerio_track_mcp.track.validation.attributes import shorten


async def check(settings: Settings, tell: Callable[[str], None]) -> int:
    """Ask the Track API for the region of the credentials, and tell what it says.

    Returns:
        The command's exit status: 0 where the tools can be used as set, 1 where they can't.
    """
    tell(f"Asking {settings.base_url} ...")
    try:
        async with settings.track_client(settings.base_url) as client:
            answer = (await client.find_region()).body
    except TrackError as error:
        tell(f"FAILED. {_reason(error)}")
        return 1
    region = str(answer.get("region", "")).upper()
    if region not in list(Region):
        tell("FAILED. Something answered, but not as the Track API does: is CUSTOMERIO_TRACK_URL right?")
        return 1
    tell(f"The credentials are valid for workspace {shorten(str(answer.get('environment_id')))} in region {region}.")
    if region != settings.region:
        tell(
            f"WARNING: CUSTOMERIO_REGION says {settings.region}; set CUSTOMERIO_REGION={region}. Customer.io's host in "
            "the wrong region redirects or refuses requests, and this server follows no redirect."
        )
        return 1
    tell("OK")
    return 0


def _reason(error: TrackError) -> str:
    if isinstance(error, RequestFailedError):
        return f"{sentence(error)} {mend(error) or 'Look at the network and at CUSTOMERIO_TRACK_URL, then try again.'}"
    return explain(error)
