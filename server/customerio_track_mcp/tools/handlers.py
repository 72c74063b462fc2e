"""The three tools: arguments in, output model out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.chain import Control, chain
from customerio_track_mcp.control.once.event_id import use_event_id
from customerio_track_mcp.control.write import Write
from customerio_track_mcp.instrumentation.calls import Outcome
from customerio_track_mcp.tools.arguments import parse_arguments
from customerio_track_mcp.tools.dry_run import dry_run_message
from customerio_track_mcp.tools.event_time import as_of_now
from customerio_track_mcp.tools.guidance import explain
from customerio_track_mcp.tools.schemas import (
    AddCustomersToSegmentInput,
    AddCustomersToSegmentOutput,
    CreateOrUpdateCustomerInput,
    CreateOrUpdateCustomerOutput,
    SendEventInput,
    SendEventOutput,
)
from customerio_track_mcp.track import (
    RESERVED_ATTRIBUTES,
    RESERVED_EVENT_DATA,
    EventType,
    InvalidArgumentsError,
    MissingCredentialsError,
    Problem,
    Receipt,
    TrackClient,
    TrackError,
    TrackRequest,
    operations,
    reserved_key_problems,
    trim,
)

UNREPORTED_DROPS: Final = (
    "It does not report drops: an email that differs from the one set, or that another person has, drops the whole "
    "update; an unknown cio_id does too, and a suppressed person is ignored. A new customer_id with a known email "
    "renames that person."
)
"""What Customer.io may do with an update that it accepted; the subject is the Track API."""


class ToolHandlers:
    """The tools of one workspace. They do not raise `TrackError`: a failure is a result too.

    Each handler updates the record of the `Call` that it receives, which is what logs and metrics report about it.

    Args:
        client: a client of the workspace's Track API.
        allowed_keys: the reserved keys that the operator allows in attributes and event data.
        missing_credentials: which settings the client's credentials lack; every call returns it. Empty if none.
        controls: what stands between a valid call and its request, the first one first.
    """

    def __init__(
        self,
        client: TrackClient,
        allowed_keys: Collection[str] = (),
        missing_credentials: str = "",
        controls: Sequence[Control] = (),
    ) -> None:
        self._client = client
        self._allowed_keys = allowed_keys
        self._missing_credentials = missing_credentials
        self._send_through_controls = chain(controls, self._send)

    async def create_or_update_customer(
        self, arguments: Mapping[str, object], call: Call | None = None
    ) -> CreateOrUpdateCustomerOutput:
        """Add a person, or update the person identified by `customer_id`."""
        given, problems = parse_arguments(CreateOrUpdateCustomerInput, arguments)
        # The placeholder of an invalid email must not contradict the other arguments.
        email = None if any(problem.parameter == "email" for problem in problems) else given.email
        problems += reserved_key_problems("attributes", given.attributes, RESERVED_ATTRIBUTES, self._allowed_keys)
        call = call or Call()
        echo: dict[str, Any] = {}
        try:
            self._require_credentials()
            request = _build(
                problems,
                lambda: operations.identify(
                    given.customer_id, email=email, created_at=given.created_at, attributes=given.attributes
                ),
            )
            echo = {"customer_id": given.customer_id, "email": given.email}
            names = {"email", *(["created_at"] if given.created_at is not None else []), *(given.attributes or {})}
            write = Write("create_or_update_customer", request, given.customer_id, attributes=names)
            receipt = await self._carry_out(write, call)
        except TrackError as error:
            call.record.outcome = error.code
            return CreateOrUpdateCustomerOutput(success=False, error=explain(error), **echo)
        if receipt is None:
            return CreateOrUpdateCustomerOutput(success=True, message=dry_run_message(request), **echo)
        message = (
            f"The Track API accepted customer {given.customer_id!r} with {_count(len(names), 'attribute')}"
            f"{_on_attempt(receipt)}. {UNREPORTED_DROPS}{_notes(request)}"
        )
        return CreateOrUpdateCustomerOutput(success=True, message=message, **echo)

    async def send_event(self, arguments: Mapping[str, object], call: Call | None = None) -> SendEventOutput:
        """Record one event for a person."""
        given, problems = parse_arguments(SendEventInput, arguments)
        problems += reserved_key_problems("data", given.data, RESERVED_EVENT_DATA, self._allowed_keys)
        call = call or Call()
        echo: dict[str, Any] = {}
        try:
            self._require_credentials()
            request = _build(
                problems,
                lambda: as_of_now(
                    operations.track(given.customer_id, given.event_name, event_type=given.event_type, data=given.data)
                ),
            )
            echo = {"customer_id": given.customer_id, "event_name": given.event_name}
            write = Write(
                "send_event",
                request,
                given.customer_id,
                event_name=trim(given.event_name),
                event_type=given.event_type or EventType.EVENT,
                event_data=given.data,
            )
            receipt = await self._carry_out(write, call)
        except TrackError as error:
            call.record.outcome = error.code
            return SendEventOutput(success=False, error=explain(error, call=call), **echo)
        if receipt is None:
            unsent = request.with_event_id(call.record.event_id)  # a control may have chosen another one
            return SendEventOutput(success=True, message=dry_run_message(unsent), **echo)
        message = (
            f"The Track API accepted event {given.event_name!r} for customer {given.customer_id!r}"
            f"{_on_attempt(receipt)}; the event id is {receipt.event_id}{_repetition(call)}.{_notes(request)}"
        )
        return SendEventOutput(success=True, message=message, **echo)

    async def add_customers_to_segment(
        self, arguments: Mapping[str, object], call: Call | None = None
    ) -> AddCustomersToSegmentOutput:
        """Add people to a manual segment."""
        given, problems = parse_arguments(AddCustomersToSegmentInput, arguments)
        call = call or Call()
        echo: dict[str, Any] = {}
        try:
            self._require_credentials()
            request = _build(
                problems,
                lambda: operations.add_to_segment(given.segment_id, given.customer_ids, id_type=given.id_type),
            )
            echo = {"segment_id": str(int(given.segment_id)), "id_type": given.id_type.value}
            write = Write("add_customers_to_segment", request, segment_id=echo["segment_id"])
            receipt = await self._carry_out(write, call)
        except TrackError as error:
            call.record.outcome = error.code
            hint = "The segment must exist and must be a manual segment."
            return AddCustomersToSegmentOutput(success=False, error=explain(error, hint), **echo)
        echo["customer_count"] = request.people
        if receipt is None:
            return AddCustomersToSegmentOutput(success=True, message=dry_run_message(request), **echo)
        message = (
            f"The Track API accepted {_count(request.people, 'id')} for segment {echo['segment_id']}"
            f"{_on_attempt(receipt)}. It does not report which of them it found: unknown ids are ignored."
            f"{_repeated(len(given.customer_ids) - request.people)}{_notes(request)}"
        )
        return AddCustomersToSegmentOutput(success=True, message=message, **echo)

    def _require_credentials(self) -> None:
        if self._missing_credentials:
            raise MissingCredentialsError(self._missing_credentials)

    async def _carry_out(self, write: Write, call: Call) -> Receipt | None:
        """Send a write through the controls; return None if nothing was sent because this is a dry run."""
        record, request = call.record, write.request
        record.person, record.people = write.person, request.people
        record.event_name, record.event_id, record.segment_id = (
            write.event_name,
            request.event_id or "",
            write.segment_id,
        )
        if call.asker.event_id and request.event_id is not None:
            write = use_event_id(write, call, call.asker.event_id)
        receipt = await self._send_through_controls(write, call)
        record.is_dry_run = receipt is None
        accepted = Outcome.JOINED if record.is_joined else Outcome.OK
        record.outcome = Outcome.DRY_RUN if receipt is None else accepted
        return receipt

    async def _send(self, write: Write, call: Call) -> Receipt:
        return await self._client.send(write.request, call.record.progress)


def _build(problems: Sequence[Problem], build: Callable[[], TrackRequest]) -> TrackRequest:
    """Build the request, or raise with every problem: those found before and those found by `build`."""
    try:
        request = build()
    except InvalidArgumentsError as error:
        # An invalid argument was replaced by a placeholder, of which nothing must be reported.
        reported = {problem.parameter.partition("[")[0] for problem in problems}
        others = [problem for problem in error.problems if problem.parameter.partition("[")[0] not in reported]
        raise InvalidArgumentsError([*problems, *others]) from None
    if problems:
        raise InvalidArgumentsError(problems)
    return request


def _repetition(call: Call) -> str:
    """Describe an event that the call shares with an identical one, and how to record another; empty if it does not."""
    if call.record.is_joined:
        return (
            ". This is the result of an identical call that was in flight: one event was recorded for both. To record "
            "two, make them differ in data, or pass a different idempotency key with each"
        )
    if call.record.is_reused:
        return (
            ", which is that of an earlier identical call: one event is recorded for both. To record another event, "
            "call again"
        )
    return ""


def _repeated(number: int) -> str:
    return f" {_count(number, 'repeated id')} {'was' if number == 1 else 'were'} sent once." if number else ""


def _notes(request: TrackRequest) -> str:
    return "".join(f" {note}" for note in request.notes)


def _on_attempt(receipt: Receipt) -> str:
    return f" on attempt {receipt.attempts}" if receipt.attempts > 1 else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
