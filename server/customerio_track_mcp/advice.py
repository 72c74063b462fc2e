"""What to do about a failure, in words for the model that made the call and for whoever runs the server."""

from __future__ import annotations

from customerio_track_mcp.track import (
    InvalidArgumentsError,
    MissingCredentialsError,
    RateLimitedError,
    RedirectedError,
    RejectedError,
    RequestFailedError,
    TrackError,
    UnauthorizedError,
)

_WHERE = "Settings > Workspace Settings > API Credentials in Customer.io"
_OPERATOR = "Calling again will not help before that; tell the user."
_CREDENTIALS = (
    f"CUSTOMERIO_SITE_ID has to be the workspace's Site ID and CUSTOMERIO_API_KEY its Tracking API key ({_WHERE}); an "
    "App API key is a different credential and does not serve here. CUSTOMERIO_REGION has to be the workspace's "
    f"region. The command 'customerio-track-mcp check' tests them. {_OPERATOR}"
)


def explain(error: TrackError) -> str:
    """What happened, whether anything was carried out, and what to do next."""
    match error:
        case InvalidArgumentsError():
            them = "it" if len(error.problems) == 1 else "them all"
            return f"Nothing was sent. {error}. Correct {them} and call the tool again."
        case MissingCredentialsError():
            return (
                "Nothing was sent: no Site ID is configured. Set CUSTOMERIO_SITE_ID, or give CUSTOMERIO_API_KEY as "
                f"site_id:api_key ({_WHERE}), and restart the server. {_OPERATOR}"
            )
        case RequestFailedError():
            return f"{_sentence(error)} {_outcome(error)} {_next_step(error)}"
    return _sentence(error)


def _sentence(error: TrackError) -> str:
    told = str(error)
    return f"{told[:1].upper()}{told[1:]}."


def _outcome(error: RequestFailedError) -> str:
    tried = f" ({error.attempts} attempts)" if error.attempts > 1 else ""
    if error.outcome_unknown:
        return f"Whether the request was carried out is unknown{tried}."
    return f"The request was not carried out{tried}."


def _next_step(error: RequestFailedError) -> str:
    match error:
        case UnauthorizedError():
            return _CREDENTIALS
        case RedirectedError(region=region) if region is not None:
            mend = f"set CUSTOMERIO_REGION={region} and restart the server"
            return f"The workspace is in region {region}: {mend}. {_OPERATOR}"
        case RedirectedError():
            return f"Check CUSTOMERIO_REGION and CUSTOMERIO_TRACK_URL with 'customerio-track-mcp check'. {_OPERATOR}"
    if error.outcome_unknown and error.event_id is not None:
        return (
            f"The event's id is {error.event_id}. Do not send the event again by yourself, since a new call is a new "
            "event: ask the user to look in Customer.io's activity log whether it arrived."
        )
    if isinstance(error, RejectedError) and not error.outcome_unknown:
        return (
            "An unchanged call would be rejected again: correct the arguments by the Track API's own words. A segment "
            "has to exist and be a manual one."
        )
    if isinstance(error, RateLimitedError) and error.retry_after is not None:
        return f"Call again with the same arguments in {error.retry_after:.0f} seconds."
    safe = "" if error.event_id is not None else ", which is safe: a repeat changes nothing more"
    return f"Call again with the same arguments in a minute{safe}. If it fails again, tell the user."
