"""What to do about a failure, in words for the model that made the call and for whoever runs the server."""

from __future__ import annotations

from customerio_track_mcp.track import (
    InvalidArgumentsError,
    MissingCredentialsError,
    RedirectedError,
    RejectedError,
    RequestFailedError,
    TrackError,
    UnauthorizedError,
)

_WHERE = "Settings > Workspace Settings > API Credentials in Customer.io"
_ONE_DAY = 24 * 3600
_OPERATOR = "Calling again will not help before that; tell the user."
_CREDENTIALS = (
    f"CUSTOMERIO_SITE_ID has to be the workspace's Site ID and CUSTOMERIO_API_KEY its Tracking API key ({_WHERE}); an "
    "App API key is a different credential and does not serve here. CUSTOMERIO_REGION has to be the workspace's "
    f"region. The command 'customerio-track-mcp check' tests them. {_OPERATOR}"
)


def explain(error: TrackError, if_rejected: str = "") -> str:
    """What happened, whether anything was carried out, and what to do next.

    Args:
        error: the failure.
        if_rejected: what else to look at where the Track API rejected the request.
    """
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
            told = [sentence(error), _outcome(error), mend(error) or _next_step(error, if_rejected)]
            return " ".join(part for part in told if part)
    return sentence(error)


def sentence(error: TrackError) -> str:
    """What happened, as a sentence."""
    told = str(error)
    return f"{told[:1].upper()}{told[1:]}."


def mend(error: RequestFailedError) -> str:
    """What whoever runs the server has to set right; empty where it is nothing of theirs."""
    match error:
        case UnauthorizedError():
            return _CREDENTIALS
        case RedirectedError(region=region) if region is not None:
            setting = f"set CUSTOMERIO_REGION={region}, leave CUSTOMERIO_TRACK_URL unset, and restart the server"
            return f"The workspace is in region {region}: {setting}. {_OPERATOR}"
        case RedirectedError():
            return f"Check CUSTOMERIO_REGION and CUSTOMERIO_TRACK_URL with 'customerio-track-mcp check'. {_OPERATOR}"
    return ""


def _outcome(error: RequestFailedError) -> str:
    tried = f" ({error.attempts} attempts)" if error.attempts > 1 else ""
    if not error.outcome_unknown:
        return f"The request was not carried out{tried}."
    if error.event_id is None:
        return f"Whether the request was carried out is unknown{tried}."
    return (
        f"Whether the event was recorded is unknown{tried}. Its id is {error.event_id}. Do not send the event again by "
        "yourself, since a new call is a new event: ask the user to look in Customer.io's activity log whether it "
        "arrived."
    )


def _next_step(error: RequestFailedError, if_rejected: str) -> str:
    if error.outcome_unknown and error.event_id is not None:
        return ""
    if isinstance(error, RejectedError) and not error.outcome_unknown:
        correct = "An unchanged call would be rejected again: correct the arguments, or tell the user."
        return f"{correct} {if_rejected}".strip()
    when = "in a minute" if error.retry_after is None else f"in {min(error.retry_after, _ONE_DAY):.0f} seconds"
    safe = "" if error.event_id is not None else ", which is safe: a repeat changes nothing more"
    return f"Call again with the same arguments {when}{safe}. If it fails again, tell the user."
