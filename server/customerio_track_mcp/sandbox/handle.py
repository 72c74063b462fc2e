"""How a program reads and controls a sandbox: the same for one in its own event loop and one in a thread."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from customerio_track_mcp.sandbox.faults import Fault, Operation, TooManyFaultsError
from customerio_track_mcp.sandbox.parts import SandboxParts
from customerio_track_mcp.sandbox.records import Dropped, LoggedRequest
from customerio_track_mcp.sandbox.snapshots import Event, Person, Segment, events_of, people_of, segments_of
from customerio_track_mcp.sandbox.track_api import SANDBOX_API_KEY, SANDBOX_SITE_ID

Value = TypeVar("Value")

_FAULT: TypeAdapter[Fault] = TypeAdapter(Fault)


class SandboxHandle(ABC):
    """A running sandbox. What it returns are copies, which do not change when the sandbox does.

    Attributes:
        url: its base URL, which is that of the Track API and the address of the page.
        site_id: the Site ID that it accepts.
        api_key: the API key that it accepts.
    """

    url: str
    site_id: str = SANDBOX_SITE_ID
    api_key: str = SANDBOX_API_KEY

    @abstractmethod
    def _run(self, action: Callable[[SandboxParts], Value]) -> Value:
        """Run an action in the event loop of the sandbox, and return what it returns."""

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
        return self._run(lambda parts: people_of(parts.workspace))

    @property
    def events(self) -> tuple[Event, ...]:
        """The newest 10 000 events, oldest first."""
        return self._run(lambda parts: events_of(parts.workspace))

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments, by their number."""
        return self._run(lambda parts: segments_of(parts.workspace))

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """What the real API would have accepted with 200 and silently dropped, oldest first."""
        return self._run(lambda parts: tuple(parts.workspace.dropped))

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """The newest 10 000 requests to the Track API, oldest first."""
        return self._run(lambda parts: tuple(parts.requests.log))

    def fail_next(
        self, status: int = 503, times: int = 1, *, retry_after: str | None = None, operation: Operation | None = None
    ) -> None:
        """Answer the next requests with an error status. They are not carried out.

        Args:
            status: the HTTP status, 400 to 599.
            times: how many requests get it, 1 to 1000.
            retry_after: the header `Retry-After`: seconds or an HTTP date.
            operation: whose requests get it; None for those of every operation that writes.

        Raises:
            ValueError: an argument is invalid, or too many faults wait.
        """
        self._add_fault(kind="status", status=status, count=times, retry_after=retry_after, operation=operation)

    def lose_reply(self, times: int = 1, *, operation: Operation | None = None) -> None:
        """Carry out the next requests, and reset the connection instead of a response.

        Args:
            times: how many requests, 1 to 1000.
            operation: whose requests; None for those of every operation that writes.

        Raises:
            ValueError: an argument is invalid, or too many faults wait.
        """
        self._add_fault(kind="lost_reply", count=times, operation=operation)

    def add_segment(self, segment_id: int, name: str, kind: Literal["manual", "data-driven"] = "manual") -> None:
        """Add a segment without members, or replace the one with this number.

        Raises:
            ValueError: the number is not a positive one of up to ten digits, or the kind is unknown.
        """
        self._run(lambda parts: parts.workspace.add_segment(segment_id, name, kind))

    def reset(self) -> None:
        """Delete everything that was recorded, the faults and the segments but the first three."""
        self._run(lambda parts: parts.reset())

    def assert_nothing_dropped(self) -> None:
        """Check that the real API would have kept everything that was sent.

        Raises:
            AssertionError: it would have dropped something. The text lists what, and why.
        """
        __tracebackhide__ = True
        if dropped := self.dropped:
            lines = [f"  {item.operation} {item.identifier}: {item.what}: {item.reason}" for item in dropped]
            raise AssertionError("\n".join(["the real API would have silently dropped:", *lines]))

    def _add_fault(self, **fields: object) -> None:
        try:
            fault = _FAULT.validate_python(fields)
        except ValidationError as error:
            raise ValueError(_problem(error)) from None

        def add(parts: SandboxParts) -> None:
            try:
                parts.faults.add(fault)
            except TooManyFaultsError as error:
                raise ValueError(str(error)) from None

        self._run(add)


def _problem(error: ValidationError) -> str:
    problems: list[Mapping[str, object]] = [dict(item) for item in error.errors(include_url=False)]
    return "; ".join(f"{problem['loc'][-1] if problem['loc'] else ''}: {problem['msg']}" for problem in problems)  # type: ignore[index]
