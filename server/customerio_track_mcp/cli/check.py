"""The command `check`: are the credentials valid, and for which workspace in which region?

The first line is the verdict and what to do, for a person; everything else follows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from customerio_track_mcp.runtime import create_client
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.tools.guidance import operator_fix, sentence
from customerio_track_mcp.track import (
    MissingCredentialsError,
    RateLimitedError,
    Region,
    TimeBudgetExceededError,
    TrackError,
    UnavailableError,
    shorten,
)

STATUS_PAGE: Final = "https://status.customerio.com"
STATUS_COMPONENT: Final = "Data Collection (track.customer.io)"
"""The part of the status page that is about the Track API."""


async def check(settings: Settings, print_line: Callable[[str], None]) -> int:
    """Look up the region of the credentials; print whether the tools can be used, and what to do if not.

    Returns:
        The exit status: 0 if the tools can be used with these settings, 1 if not.
    """
    if missing := settings.missing_credentials:
        return _report(print_line, MissingCredentialsError(missing))
    try:
        async with create_client(settings, settings.base_url) as client:
            body = (await client.find_region()).body
    except TrackError as error:
        status = _report(print_line, error)
    else:
        status = _verdict(body, settings, print_line)
    print_line(f"The Track API that was asked is {settings.base_url}.")
    return status


def _verdict(body: Mapping[str, object], settings: Settings, print_line: Callable[[str], None]) -> int:
    region = str(body.get("region", "")).upper()
    if region not in list(Region):
        print_line("FAILED: the response is not from the Track API. Check CUSTOMERIO_TRACK_URL.")
        return 1
    workspace = f"workspace {shorten(str(body.get('environment_id')))} in region {region}"
    if region != settings.region:
        print_line(f"FAILED: CUSTOMERIO_REGION is {settings.region}. Set CUSTOMERIO_REGION={region}.")
        print_line(
            f"The credentials are valid for {workspace}. Customer.io's host in the wrong region redirects or rejects "
            "requests, and this server does not follow redirects."
        )
        return 1
    print_line(f"OK: the tools can be used. The credentials are valid for {workspace}.")
    return 0


def _report(print_line: Callable[[str], None], error: TrackError) -> int:
    what_to_do = operator_fix(error)
    if not what_to_do and isinstance(error, RateLimitedError | TimeBudgetExceededError | UnavailableError):
        what_to_do = (
            f'See whether "{STATUS_COMPONENT}" has an outage at {STATUS_PAGE}; if not, check the network and '
            "CUSTOMERIO_TRACK_URL."
        )
    print_line(f"FAILED: {sentence(error)} {what_to_do or 'Check the network and CUSTOMERIO_TRACK_URL.'}")
    return 1
