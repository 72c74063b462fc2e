"""A tool call as logs and metrics see it: who made it, how far it went, how it ended."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from contextvars import ContextVar, Token
from dataclasses import dataclass, field, replace
from enum import StrEnum

from customerio_track_mcp.settings.restrictions import UNRESTRICTED, Restrictions
from customerio_track_mcp.track import Progress


class Outcome(StrEnum):
    """How a tool call ended, if not with a `TrackError`: for those, the outcome is the error's `code`."""

    OK = "ok"
    DRY_RUN = "dry_run"
    CONFIRMATION_REQUIRED = "confirmation_required"
    JOINED = "joined"
    FORBIDDEN = "forbidden"
    CANCELED = "cancelled"  # a label value of published metrics, so the spelling stays
    INTERNAL_ERROR = "bug"  # likewise


class ConfirmedBy(StrEnum):
    """Who confirmed a call that needs it."""

    PERSON = "person"
    NOBODY = "nobody"  # the host cannot ask, and the operator allows the call nevertheless


def new_request_id() -> str:
    """Return a new id of a request, random: 32 hexadecimal digits."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call.

    Attributes:
        name: the name by which the operator knows the caller; empty without authentication.
        request_id: connects the log lines of one request.
        tools: the tools that the caller's scopes allow; None for all of them.
        remedy: how the caller can get access to the others, as a sentence.
        identity: distinguishes the caller from every other; several can have one name. Personal data; empty without
            authentication.
        restrictions: what the operator allows the caller, whatever their scopes are.
        idempotency_key: the key that the transport received with the request; None if there is none.
    """

    name: str = ""
    request_id: str = field(default_factory=new_request_id)
    tools: Collection[str] | None = None
    remedy: str = ""
    identity: str = ""
    restrictions: Restrictions = UNRESTRICTED
    idempotency_key: str | None = None

    def may_use(self, tool: str) -> bool:
        """Return whether the caller may list and call `tool`."""
        return self.has_scope_for(tool) and self.is_allowed(tool)

    def has_scope_for(self, tool: str) -> bool:
        """Return whether the caller's scopes allow `tool`."""
        return self.tools is None or tool in self.tools

    def is_allowed(self, tool: str) -> bool:
        """Return whether the operator allows the caller to use `tool`."""
        return self.restrictions.tools is None or tool in self.restrictions.tools

    def within(self, restrictions: Restrictions) -> Caller:
        """Return the same caller, who is also subject to the restrictions of the server."""
        return replace(self, restrictions=self.restrictions.within(restrictions))


@dataclass(slots=True)
class CallContext:
    """What is known of a running call. A handler updates it, so that even a canceled call can be logged.

    Attributes:
        outcome: an `Outcome` or the `code` of a `TrackError`; canceled until the call has ended.
        progress: the state of the request to the Track API.
        person: the identifier of the person that the call is about, once it is valid; personal data.
        people: the number of people that the call is about.
        event_name: the name of the event, once the call is valid; empty if it is not one.
        event_id: the id of the event, likewise.
        segment_id: the number of the segment, likewise.
        is_joined: whether the result is that of an identical call in flight.
        is_reused: whether the event id is that of an earlier identical call.
        is_dry_run: whether nothing was sent because this is a dry run.
        client_name: the name of the MCP client, as it sent it; empty if it did not.
        client_version: its version, likewise.
        confirmed_by: who confirmed the call; None if it needs no confirmation or did not get it.
    """

    outcome: str = Outcome.CANCELED
    progress: Progress = field(default_factory=Progress)
    person: str | None = None
    people: int = 0
    event_name: str = ""
    event_id: str = ""
    segment_id: str = ""
    is_joined: bool = False
    is_reused: bool = False
    is_dry_run: bool = False
    client_name: str = ""
    client_version: str = ""
    confirmed_by: ConfirmedBy | None = None


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A tool call that has ended.

    Attributes:
        tool: the tool's name.
        seconds: its duration.
        context: what its handler recorded.
    """

    tool: str
    seconds: float
    context: CallContext


OnCall = Callable[[CallRecord], None]

_current: ContextVar[Caller | None] = ContextVar("caller", default=None)


def current_caller() -> Caller | None:
    """Return the caller whose request this task handles; None outside of a request."""
    return _current.get()


def require_caller() -> Caller:
    """Return the caller whose request this task handles.

    Raises:
        RuntimeError: nobody has called `calling`, which a middleware must.
    """
    caller = _current.get()
    if caller is None:
        raise RuntimeError("the middleware that identifies callers is missing")
    return caller


class calling:  # noqa: N801 - used like a function; as a generator, it would cost three times as much for each call
    """Run the block as part of a request by a caller."""

    __slots__ = ("_caller", "_token")

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def __enter__(self) -> None:
        self._token: Token[Caller | None] = _current.set(self._caller)

    def __exit__(self, *error: object) -> None:
        _current.reset(self._token)
