"""The word that the write log has for how a call ended.

To add a failure, add its `code` to `_WORDS`; a test finds one that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from customerio_track_mcp.instrumentation.calls import CallContext, Outcome


class WriteOutcome(StrEnum):
    """What became of a call, for the operator of the server."""

    ACCEPTED = "accepted"
    """The Track API accepted it."""
    REUSED = "reused"
    """The Track API accepted it with the event id of an earlier identical call: both are one event."""
    JOINED = "joined"
    """It got the result of an identical call in flight, and was not sent itself."""
    DRY_RUN = "dry_run"
    """Nothing was sent, because this is a dry run."""
    UNKNOWN = "unknown"
    """It was sent, and whether it was carried out is unknown."""
    REJECTED = "rejected"
    """The Track API rejected it."""
    FAILED = "failed"
    """It was not carried out: the Track API was not reached, or something in between responded."""
    CONFIRMATION_REQUIRED = "confirmation_required"
    """A person was asked; the call with their decision has a line of its own."""
    DECLINED = "declined"
    """A person was asked, and declined."""
    REFUSED = "refused"
    """This server refused it: the policy, a maximum, the pause file, or what the caller may use."""
    CANCELED = "canceled"
    """It was canceled before anything was sent."""


_WORDS: Final[Mapping[str, WriteOutcome]] = {
    "ok": WriteOutcome.ACCEPTED,
    "joined": WriteOutcome.JOINED,
    "dry_run": WriteOutcome.DRY_RUN,
    "confirmation_required": WriteOutcome.CONFIRMATION_REQUIRED,
    "cancelled": WriteOutcome.CANCELED,
    "forbidden": WriteOutcome.REFUSED,
    "invalid_arguments": WriteOutcome.REFUSED,
    "no_credentials": WriteOutcome.REFUSED,
    "refused": WriteOutcome.REFUSED,
    "not_allowed": WriteOutcome.REFUSED,
    "paused": WriteOutcome.REFUSED,
    "quota_exceeded": WriteOutcome.REFUSED,
    "cannot_ask": WriteOutcome.REFUSED,
    "declined": WriteOutcome.DECLINED,
    "confirmation_canceled": WriteOutcome.CANCELED,
    "rejected": WriteOutcome.REJECTED,
    "unauthorized": WriteOutcome.REJECTED,
    "request_failed": WriteOutcome.FAILED,
    "redirected": WriteOutcome.FAILED,
    "intercepted": WriteOutcome.FAILED,
    "proxy_refused": WriteOutcome.FAILED,
    "tls_failed": WriteOutcome.FAILED,
    "untrusted_certificate": WriteOutcome.FAILED,
    "rate_limited": WriteOutcome.FAILED,
    "unavailable": WriteOutcome.FAILED,
    "stopped": WriteOutcome.FAILED,
    "closed": WriteOutcome.FAILED,
    "out_of_time": WriteOutcome.FAILED,
    "bug": WriteOutcome.FAILED,
}
"""By `CallContext.outcome`, if the outcome of the request is known."""
_SUCCESSES: Final = frozenset({WriteOutcome.ACCEPTED, WriteOutcome.JOINED, WriteOutcome.DRY_RUN})


def write_outcome(context: CallContext) -> WriteOutcome:
    """Return the word for how a call ended."""
    # Every code has a word. A record must not fail a call, though, and the line contains the code itself.
    word = _WORDS.get(context.outcome, WriteOutcome.FAILED)
    if word not in _SUCCESSES:
        return WriteOutcome.UNKNOWN if context.progress.outcome_unknown else word
    if context.is_dry_run:
        return WriteOutcome.DRY_RUN
    if context.is_joined:
        return WriteOutcome.JOINED
    return WriteOutcome.REUSED if context.is_reused else word


def is_write(context: CallContext) -> bool:
    """Return whether a call is recorded: it was valid, or refused for what it asks to use.

    Nothing comes of an invalid call, whatever the policy is.
    """
    return bool(context.people) or context.outcome in (Outcome.FORBIDDEN, "not_allowed")
