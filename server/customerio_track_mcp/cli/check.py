"""The command `check`: are the credentials valid, and for which workspace in which region?"""

from __future__ import annotations

from collections.abc import Callable

from customerio_track_mcp.runtime import create_client
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.tools.guidance import explain, operator_fix, sentence
from customerio_track_mcp.track import MissingCredentialsError, Region, RequestFailedError, TrackError, shorten


async def check(settings: Settings, print_line: Callable[[str], None]) -> int:
    """Look up the region of the credentials, and print what the Track API says.

    Returns:
        The exit status: 0 if the tools can be used with these settings, 1 if not.
    """
    if missing := settings.missing_credentials:
        print_line(f"FAILED. {explain(MissingCredentialsError(missing))}")
        return 1
    print_line(f"Asking {settings.base_url} ...")
    try:
        async with create_client(settings, settings.base_url) as client:
            body = (await client.find_region()).body
    except TrackError as error:
        print_line(f"FAILED. {_reason(error)}")
        return 1
    region = str(body.get("region", "")).upper()
    if region not in list(Region):
        print_line("FAILED. The response is not from the Track API; check CUSTOMERIO_TRACK_URL.")
        return 1
    workspace = shorten(str(body.get("environment_id")))
    print_line(f"The credentials are valid for workspace {workspace} in region {region}.")
    if region != settings.region:
        print_line(
            f"WARNING: CUSTOMERIO_REGION is {settings.region}; set CUSTOMERIO_REGION={region}. Customer.io's host in "
            "the wrong region redirects or rejects requests, and this server does not follow redirects."
        )
        return 1
    print_line("OK")
    return 0


def _reason(error: TrackError) -> str:
    if isinstance(error, RequestFailedError):
        fix = operator_fix(error) or "Check the network and CUSTOMERIO_TRACK_URL, then try again."
        return f"{sentence(error)} {fix}"
    return explain(error)
