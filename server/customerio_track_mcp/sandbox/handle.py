"""How a program reads and controls a sandbox: the same for one in its own event loop and one in a thread."""

# Parameters have the names of the Track API.
# ruff: noqa: A002

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from customerio_track_mcp.sandbox.credentials import SANDBOX_API_KEY, SANDBOX_SITE_ID
from customerio_track_mcp.sandbox.drops_text import drops_text
from customerio_track_mcp.sandbox.faults import EU_HOST, FAULT_KINDS, Fault, Operation
from customerio_track_mcp.sandbox.parts import SandboxParts
from customerio_track_mcp.sandbox.problems import problems_of
from customerio_track_mcp.sandbox.records import Dropped
from customerio_track_mcp.sandbox.seeding import seed_event, seed_person, seed_segment
from customerio_track_mcp.sandbox.segments import SegmentKind
from customerio_track_mcp.sandbox.snapshots import Event, Person, Request, Segment, SnapshotReader, person_of

Value = TypeVar("Value")

_FAULT: Final[TypeAdapter[Fault]] = TypeAdapter(Fault)
_NAMES: Final = {"count": "times"}
"""What the methods call a field of a fault, if it has another name."""


class SandboxHandle(ABC):
    """A running sandbox: where it is, what it contains, and what it does to the next requests.

    What its properties and methods return are copies, which do not change when the sandbox does, and which can be
    changed without an effect on the sandbox.

    Attributes:
        site_id: the Site ID that it accepts.
        api_key: the Tracking API key that it accepts.
    """

    site_id: str = SANDBOX_SITE_ID
    api_key: str = SANDBOX_API_KEY

    @abstractmethod
    def _run(self, action: Callable[[SandboxParts], Value]) -> Value:
        """Run an action in the event loop of the sandbox, and return what it returns."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Its URL without a slash at the end: the base URL of the Track API, and the address of the page."""

    @property
    @abstractmethod
    def ca_file(self) -> Path | None:
        """With `tls=True`, the file with the CA certificate that clients must trust, in PEM; otherwise None.

        The file is deleted when the sandbox stops.
        """

    @property
    def host(self) -> str:
        """The hostname or address in `url`, without brackets."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port in `url`."""
        return urlsplit(self.url).port or 0

    @property
    def people(self) -> tuple[Person, ...]:
        """The people, in the order in which they were added."""
        return self._run(lambda parts: SnapshotReader(parts.workspace).people())

    @property
    def events(self) -> tuple[Event, ...]:
        """The newest 10 000 events, in the order in which they were received. A repeated event is there once."""
        return self._run(lambda parts: SnapshotReader(parts.workspace).events())

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments, by their number. At first there are three: 1 and 2 are manual, 3 is data-driven."""
        return self._run(lambda parts: SnapshotReader(parts.workspace).segments())

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """The newest 10 000 items that the real API would have accepted with 200 and silently dropped, oldest first."""
        return self._run(lambda parts: tuple(parts.workspace.dropped))

    @property
    def requests(self) -> tuple[Request, ...]:
        """The newest 10 000 requests to the Track API, in the order in which they were received.

        A request is there as soon as its body has been received, at first without a status.
        """
        return self._run(lambda parts: SnapshotReader(parts.workspace).requests(parts.requests.log))

    def find_person(self, identifier: Person | str) -> Person | None:
        """Return the person with an identifier, as the person is now; None if there is none.

        Args:
            identifier: a person, the id, the email address in any case, or `cio_` and the cio_id.

        Raises:
            ValueError: it is not a string.
        """
        text = _identifier(identifier)
        if not isinstance(text, str):
            raise ValueError("identifier: must be a string")  # noqa: TRY004 - as for other invalid arguments

        def find(parts: SandboxParts) -> Person | None:
            person = parts.workspace.find_person(text)
            return None if person is None else person_of(person)

        return self._run(find)

    def add_person(
        self, id: str | None = None, email: str | None = None, attributes: Mapping[str, object] | None = None
    ) -> Person:
        """Add a person, or update the one with these identifiers, without a request.

        Args:
            id: the id; None for a person known by an email address alone.
            email: the email address; None for a person without one.
            attributes: the other attributes, as JSON values. None and "" delete an attribute.

        Returns:
            The person as it is then.

        Raises:
            ValueError: an argument is invalid, the real API would silently drop something of it, or the workspace is
                full. Nothing has changed.
        """
        values = {} if attributes is None else attributes
        return self._run(lambda parts: person_of(seed_person(parts.workspace, id, email, values)))

    def add_event(
        self,
        person: Person | str,
        name: str,
        *,
        type: Literal["event", "page", "screen"] = "event",
        data: Mapping[str, object] | None = None,
        timestamp: int | None = None,
    ) -> Event:
        """Record an event without a request. As in the API, a person with a new id or email address is added.

        Args:
            person: whose event it is: a person, an id, an email address, or `cio_` and a cio_id.
            name: its name, or the URL of a page.
            type: what it is.
            data: its data, as JSON values.
            timestamp: when it happened, in UNIX seconds; None for now.

        Raises:
            ValueError: an argument is invalid, the real API would silently drop the event, or the workspace is full.
                Nothing has changed.
        """
        body = {"name": name, "type": type, "data": {} if data is None else data, "timestamp": timestamp}

        def add(parts: SandboxParts) -> Event:
            return SnapshotReader(parts.workspace).event(seed_event(parts.workspace, _identifier(person), body))

        return self._run(add)

    def add_segment(
        self, id: int, name: str, kind: SegmentKind = "manual", members: Iterable[Person | str] = ()
    ) -> Segment:
        """Add a segment, or replace the one with this id, as somebody does in Customer.io: the Track API cannot.

        Args:
            id: its number, 1 to 9 999 999 999.
            name: its name, up to 200 characters.
            kind: `manual` or `data-driven`. The API rejects additions to a data-driven one.
            members: who is in it, in this order: people, ids, email addresses, or `cio_` and a cio_id.

        Raises:
            ValueError: an argument is invalid, a member does not exist, or there are too many segments or members.
                Nothing has changed.
        """
        fields = {"id": id, "name": name, "kind": kind}
        if isinstance(members, str | Mapping) or not isinstance(members, Iterable):
            problem = "members: must be a list of people and their identifiers, for example ['1042']"
            raise ValueError(problem)  # noqa: TRY004 - as for other invalid arguments
        identifiers = [_identifier(member) for member in members]

        def add(parts: SandboxParts) -> Segment:
            return SnapshotReader(parts.workspace).segment(seed_segment(parts.workspace, fields, identifiers))

        return self._run(add)

    def fail_next(
        self, status: int = 503, times: int = 1, *, retry_after: str | None = None, operation: Operation | None = None
    ) -> None:
        """Respond to the next requests with an error status. They are not carried out.

        Args:
            status: the HTTP status, 400 to 599.
            times: how many requests get it, 1 to 1000. A retry is a request, too.
            retry_after: the header `Retry-After`: seconds or an HTTP date.
            operation: whose requests get it; None for those of every operation that writes.

        Raises:
            ValueError: an argument is invalid, or too many faults wait.
        """
        self._add_fault(kind="status", status=status, count=times, retry_after=retry_after, operation=operation)

    def lose_reply(self, times: int = 1, *, operation: Operation | None = None) -> None:
        """Carry out the next requests, and reset their connection instead of a response: the outcome is unknown.

        Args:
            times: how many requests, 1 to 1000. A retry is a request, too.
            operation: whose requests; None for those of every operation that writes.

        Raises:
            ValueError: an argument is invalid, or too many faults wait.
        """
        self._add_fault(kind="lost_reply", count=times, operation=operation)

    def delay_next(self, seconds: float, times: int = 1, *, operation: Operation | None = None) -> None:
        """Carry out the next requests at once, and delay the response.

        Args:
            seconds: how long, more than 0 and up to 600.
            times: how many requests, 1 to 1000. A retry is a request, too.
            operation: whose requests; None for those of every operation that writes.

        Raises:
            ValueError: an argument is invalid, or too many faults wait.
        """
        self._add_fault(kind="delay", seconds=seconds, count=times, operation=operation)

    def reset_next(self, times: int = 1, *, operation: Operation | None = None) -> None:
        """Reset the connection of the next requests. They are not carried out.

        Args:
            times: how many requests, 1 to 1000. A retry is a request, too.
            operation: whose requests; None for those of every operation that writes.

        Raises:
            ValueError: an argument is invalid, or too many faults wait.
        """
        self._add_fault(kind="reset", count=times, operation=operation)

    def redirect_next(self, location: str = EU_HOST, times: int = 1, *, operation: Operation | None = None) -> None:
        """Redirect the next requests with a 307, as the host of the other region does. They are not carried out.

        Args:
            location: the scheme and the host to redirect to; the request's path is appended.
            times: how many requests, 1 to 1000. A retry is a request, too.
            operation: whose requests; None for those of every operation that writes.

        Raises:
            ValueError: an argument is invalid, or too many faults wait.
        """
        self._add_fault(kind="redirect", location=location, count=times, operation=operation)

    def reset(self) -> None:
        """Delete everything, the faults included, and create the first three segments again."""
        self._run(lambda parts: parts.reset())

    def assert_nothing_dropped(self) -> None:
        """Check that the real API would have kept everything that was sent.

        Raises:
            AssertionError: it would have dropped something. The text lists what, and why.
        """
        __tracebackhide__ = True  # pytest shows the line of the test
        if dropped := self.dropped:
            raise AssertionError(drops_text(dropped))

    def _add_fault(self, **fields: object) -> None:
        try:
            fault = _FAULT.validate_python(fields)
        except ValidationError as error:
            raise ValueError("; ".join(problems_of(error, _NAMES, kinds=FAULT_KINDS))) from None
        self._run(lambda parts: parts.faults.add(fault))


def _identifier(person: Person | str) -> str:
    return f"cio_{person.cio_id}" if isinstance(person, Person) else person
