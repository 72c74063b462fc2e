"""Are the credentials valid, and for which workspace in which region? For the command `check`, and before `install`.

The first line is the verdict and what to do, for a person; everything else follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the tools can be used with the settings that were checked.

    Attributes:
        is_usable: whether they can.
        lines: what to print, without secrets; the first one is the verdict and what to do.
        region: the region of the workspace; None if the credentials are not known to be valid. It may differ from that
            of the settings, which are not usable then.
    """

    is_usable: bool
    lines: Sequence[str]
    region: Region | None = None


async def check(settings: Settings) -> Verdict:
    """Look up the region of the credentials.

    It is one quick look rather than the patience of a call, unless the settings say otherwise.
    """
    settings = settings.with_defaults(max_attempts=2, time_budget=10.0)
    if missing := settings.missing_credentials:
        return Verdict(is_usable=False, lines=[_failure(MissingCredentialsError(missing))])
    asked = f"The Track API that was asked is {settings.base_url}."
    try:
        async with create_client(settings, settings.base_url) as client:
            body = (await client.find_region()).body
    except TrackError as error:
        return Verdict(is_usable=False, lines=[_failure(error), asked])
    return _verdict(body, settings, asked)


def _verdict(body: Mapping[str, object], settings: Settings, asked: str) -> Verdict:
    name = str(body.get("region", "")).upper()
    if name not in list(Region):
        line = "FAILED: the response is not from the Track API. Check CUSTOMERIO_TRACK_URL."
        return Verdict(is_usable=False, lines=[line, asked])
    region = Region(name)
    workspace = f"workspace {shorten(str(body.get('environment_id')))} in region {region}"
    if region == settings.region:
        line = f"OK: the tools can be used. The credentials are valid for {workspace}."
        return Verdict(is_usable=True, lines=[line, asked], region=region)
    lines = [
        f"FAILED: CUSTOMERIO_REGION is {settings.region}. Set CUSTOMERIO_REGION={region}.",
        f"The credentials are valid for {workspace}. Customer.io's host in the wrong region redirects or rejects "
        "requests, and this server does not follow redirects.",
        asked,
    ]
    return Verdict(is_usable=False, lines=lines, region=region)


def _failure(error: TrackError) -> str:
    what_to_do = operator_fix(error)
    if not what_to_do and isinstance(error, RateLimitedError | TimeBudgetExceededError | UnavailableError):
        what_to_do = (
            f'See whether "{STATUS_COMPONENT}" has an outage at {STATUS_PAGE}; if not, check the network and '
            "CUSTOMERIO_TRACK_URL."
        )
    return f"FAILED: {sentence(error)} {what_to_do or 'Check the network and CUSTOMERIO_TRACK_URL.'}"
