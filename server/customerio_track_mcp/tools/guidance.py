"""The text of a failed result: what happened, whether it was carried out, what to do next.

What a failure means and what a caller does about it is on the error's class (`track/errors.py`). This module adds what
only this server knows: which setting an operator must change, and when a call may be repeated.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.settings.server import API_CREDENTIALS_PAGE
from customerio_track_mcp.track import (
    InterceptedError,
    MissingCredentialsError,
    Progress,
    ProxyRefusedError,
    RedirectedError,
    RequestFailedError,
    TlsError,
    TrackError,
    UnauthorizedError,
    UntrustedCertificateError,
)

RETRYING_WILL_NOT_HELP: Final = "Retrying will not help until this is fixed; ask the user."

_MAX_RETRY_AFTER_SECONDS: Final = 24 * 3600


def explain(error: TrackError, hint: str = "", call: Call | None = None) -> str:
    """Describe a failure for the model.

    Args:
        error: the failure.
        hint: what else to check if the Track API rejected the request.
        call: the call that failed; None if the server did not get as far as sending it.

    Returns:
        What happened, whether anything was carried out, and what to do next.
    """
    fix = " ".join(filter(None, (operator_fix(error), _after_the_fix(error))))
    if not isinstance(error, RequestFailedError):
        return f"Nothing was sent. {error}. {fix or error.advice}"
    call = call or Call()
    parts = [sentence(error), _outcome(error, call), fix or _next_step(error, hint, call)]
    return " ".join(part for part in parts if part)


def sentence(error: TrackError) -> str:
    """Return the text of `error` as a sentence."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def operator_fix(error: TrackError) -> str:
    """Return what the operator must change, for a person; empty if the failure is not about the server's settings."""
    match error:
        case MissingCredentialsError():
            return (
                f"Set CUSTOMERIO_SITE_ID and CUSTOMERIO_API_KEY ({API_CREDENTIALS_PAGE}), or set CUSTOMERIO_API_KEY to "
                "site_id:api_key."
            )
        case UnauthorizedError():
            return (
                "CUSTOMERIO_SITE_ID must be the workspace's Site ID and CUSTOMERIO_API_KEY its Tracking API key "
                f"({API_CREDENTIALS_PAGE}); an App API key is a different credential and is rejected. "
                "CUSTOMERIO_REGION must be the workspace's region."
            )
        case RedirectedError(region=region) if region is not None:
            return (
                f"The workspace is in region {region}: set CUSTOMERIO_REGION={region}, and leave CUSTOMERIO_TRACK_URL "
                "unset."
            )
        case RedirectedError():
            return "Check CUSTOMERIO_REGION and CUSTOMERIO_TRACK_URL."
        case InterceptedError(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
            return f"{error.advice} Or send less in one call: the limit on a request's size is not the Track API's."
        case InterceptedError(status=HTTPStatus.UNAUTHORIZED):
            return f"{error.advice} Check CUSTOMERIO_TRACK_URL, CUSTOMERIO_SITE_ID and CUSTOMERIO_API_KEY, too."
        case InterceptedError(status=int(status)) if status >= HTTPStatus.BAD_REQUEST:
            return f"{error.advice} Check CUSTOMERIO_TRACK_URL, too."
        case TlsError():
            return f"{error.advice} Check CUSTOMERIO_TRACK_URL."
        case ProxyRefusedError() | UntrustedCertificateError():
            return error.advice
    return ""


def _after_the_fix(error: TrackError) -> str:
    """Return what the model must know about a failure that `operator_fix` has described; empty for any other."""
    match error:
        case UnauthorizedError() | RedirectedError(region=None):
            return f"The command 'customerio-track-mcp check' tests the settings. {RETRYING_WILL_NOT_HELP}"
        case InterceptedError():
            return RETRYING_WILL_NOT_HELP if operator_fix(error) else ""
        case (
            MissingCredentialsError()
            | RedirectedError()
            | TlsError()
            | ProxyRefusedError()
            | UntrustedCertificateError()
        ):
            return f"Restart the server afterwards. {RETRYING_WILL_NOT_HELP}"
    return ""


def internal_error(name: str = "", progress: Progress | None = None, *, confirmed: bool = False) -> str:
    """Describe a failure of this server itself.

    Args:
        name: the class of the exception; empty if it should not be shown.
        progress: how far the request got; None if that is unknown.
        confirmed: whether the Track API had confirmed the request before.
    """
    shown = f" ({name})" if name else ""
    bug = f"Internal error{shown}: this is a bug in the server."
    ask = "Do not call again; ask the user to look at the server's log."
    if confirmed:
        return f"{bug} The Track API had already confirmed the request. {ask}"
    if progress is None or progress.outcome_unknown:
        return f"{bug} Whether the request was carried out is unknown. {ask}"
    if progress.last_failure is None:
        return f"Nothing was sent. {bug} {ask}"
    return f"{bug} The request was not carried out. {ask}"


def _outcome(error: RequestFailedError, call: Call) -> str:
    attempts = f" ({error.attempts} attempts)" if error.attempts > 1 else ""
    if not error.outcome_unknown and error.event_id is not None and call.record.is_reused:
        return (
            f"The request was not carried out{attempts}, but an earlier identical call with the same event id, "
            f"{error.event_id}, may have been."
        )
    if not error.outcome_unknown:
        return f"The request was not carried out{attempts}."
    if error.event_id is None:
        return f"Whether the request was carried out is unknown{attempts}."
    unknown = f"Whether the event was recorded is unknown{attempts}. Its event id is {error.event_id}."
    if not _is_same_event_later(error, call):
        return (
            f"{unknown} Do not resend it yourself: a new call records a new event. Ask the user to check Customer.io's "
            "activity log for it."
        )
    return f"{unknown} Calling again {_within(call)} is safe: it has the same event id, so the event is recorded once."


def _next_step(error: RequestFailedError, hint: str, call: Call) -> str:
    is_unknown_event = error.outcome_unknown and error.event_id is not None
    if is_unknown_event and not _is_same_event_later(error, call):
        return ""  # `_outcome` has said it
    if error.advice and not error.outcome_unknown:
        return f"{error.advice} {hint}".strip()
    when = f"in {_seconds_to_wait(error):.0f} seconds" if error.retry_after is not None else "in a minute"
    if is_unknown_event:
        return f"Call again {when}. If it fails again, ask the user to check Customer.io's activity log for the event."
    safe = "" if error.event_id is not None else "; this is safe: repeating the call has no further effect"
    return f"Call again with the same arguments {when}{safe}. If it fails again, ask the user."


def _is_same_event_later(error: RequestFailedError, call: Call) -> bool:
    """Return whether an identical call is the same event, even if it waits for as long as the response asks."""
    return call.same_event_seconds > _seconds_to_wait(error)


def _seconds_to_wait(error: RequestFailedError) -> float:
    return min(error.retry_after or 0.0, _MAX_RETRY_AFTER_SECONDS)


def _within(call: Call) -> str:
    if call.idempotency_key:
        return "with the same arguments and the same idempotency key"
    seconds = call.same_event_seconds
    duration = f"{seconds / 60:.0f} minutes" if seconds % 60 == 0 and seconds > 60 else f"{seconds:g} seconds"
    return f"with the same arguments within {duration}"
