"""The three tools: arguments in, an answer out. The only place where `track` and the contract meet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from customerio_track_mcp.instrumentation.calls import Notes, Outcome
from customerio_track_mcp.tools.guidance import explain
from customerio_track_mcp.tools.schemas import (
    AddCustomersToSegmentInput,
    AddCustomersToSegmentOutput,
    CreateOrUpdateCustomerInput,
    CreateOrUpdateCustomerOutput,
    SendEventInput,
    SendEventOutput,
    read_arguments,
)
from customerio_track_mcp.track import (
    IdType,
    InvalidArgumentsError,
    Problem,
    Receipt,
    TrackClient,
    TrackError,
    TrackRequest,
)
from customerio_track_mcp.track.operations import add_to_segment, event, identify
from customerio_track_mcp.track.validation.identifiers import is_email
from customerio_track_mcp.track.validation.reserved_keys import (
    RESERVED_ATTRIBUTES,
    RESERVED_EVENT_DATA,
    reserved_key_problems,
)


class Tools:
    """The tools of one workspace. None of them raises: a failure is an answer too.

    Each writes into the `notes` that it is given what logs and metrics want to know besides the answer.

    Args:
        client: the workspace's Track API client.
        allowed_keys: the reserved keys that the operator allows in attributes and event data.
    """

    def __init__(self, client: TrackClient, allowed_keys: Collection[str] = ()) -> None:
        self._client = client
        self._allowed_keys = allowed_keys

    async def create_or_update_customer(
        self, arguments: Mapping[str, object], notes: Notes | None = None
    ) -> CreateOrUpdateCustomerOutput:
        """Add a person, or update the person that `customer_id` names."""
        given, problems = read_arguments(CreateOrUpdateCustomerInput, arguments)
        # A stand-in is not to be held against the other arguments.
        email = None if any(problem.parameter == "email" for problem in problems) else given.email
        problems += reserved_key_problems("attributes", given.attributes, RESERVED_ATTRIBUTES, self._allowed_keys)
        notes = notes or Notes()
        echo: dict[str, Any] = {}
        try:
            request = _build(
                problems,
                lambda: identify(
                    given.customer_id, email=email, created_at=given.created_at, attributes=given.attributes
                ),
            )
            echo = {"customer_id": given.customer_id, "email": given.email}
            receipt = await self._send(request, notes, given.customer_id)
        except TrackError as error:
            notes.outcome = Outcome.of(error)
            return CreateOrUpdateCustomerOutput(success=False, error=explain(error), **echo)
        names = {"email", *(["created_at"] if given.created_at is not None else []), *(given.attributes or {})}
        number = f"{len(names)} {_plural(len(names), 'attribute')}"
        message = f"The Track API accepted customer {given.customer_id!r} with {number}{_after(receipt)}."
        return CreateOrUpdateCustomerOutput(success=True, message=message, **echo)

    async def send_event(self, arguments: Mapping[str, object], notes: Notes | None = None) -> SendEventOutput:
        """Record one event of a person."""
        given, problems = read_arguments(SendEventInput, arguments)
        problems += reserved_key_problems("data", given.data, RESERVED_EVENT_DATA, self._allowed_keys)
        notes = notes or Notes()
        echo: dict[str, Any] = {}
        try:
            request = _build(
                problems,
                lambda: event(given.customer_id, given.event_name, event_type=given.event_type, data=given.data),
            )
            echo = {"customer_id": given.customer_id, "event_name": given.event_name}
            receipt = await self._send(request, notes, given.customer_id)
        except TrackError as error:
            notes.outcome = Outcome.of(error)
            return SendEventOutput(success=False, error=explain(error), **echo)
        message = (
            f"The Track API accepted event {given.event_name!r} for customer {given.customer_id!r}{_after(receipt)}; "
            f"the event's id is {receipt.event_id}."
        )
        return SendEventOutput(success=True, message=message, **echo)

    async def add_customers_to_segment(
        self, arguments: Mapping[str, object], notes: Notes | None = None
    ) -> AddCustomersToSegmentOutput:
        """Put people into a manual segment."""
        given, problems = read_arguments(AddCustomersToSegmentInput, arguments)
        notes = notes or Notes()
        echo: dict[str, Any] = {}
        try:
            request = _build(
                problems, lambda: add_to_segment(given.segment_id, given.customer_ids, id_type=given.id_type)
            )
            echo = {"segment_id": str(int(given.segment_id)), "id_type": given.id_type.value}
            receipt = await self._send(request, notes)
        except TrackError as error:
            advice = explain(error, "The segment has to exist and be a manual one.")
            notes.outcome = Outcome.of(error)
            return AddCustomersToSegmentOutput(success=False, error=advice, **echo)
        message = (
            f"The Track API accepted {request.people} {_plural(request.people, 'id')} for segment "
            f"{echo['segment_id']}{_after(receipt)}. It does not say which of them it found: an id that nobody has is "
            f"ignored.{_doubts(given)}"
        )
        return AddCustomersToSegmentOutput(success=True, message=message, customer_count=request.people, **echo)

    async def _send(self, request: TrackRequest, notes: Notes, person: str | None = None) -> Receipt:
        notes.person, notes.people = person, request.people
        receipt = await self._client.send(request, notes.progress)
        notes.outcome = Outcome.OK
        return receipt


def _build(problems: Sequence[Problem], build: Callable[[], TrackRequest]) -> TrackRequest:
    """The request, or every problem at once: those found so far and those found in building it."""
    try:
        request = build()
    except InvalidArgumentsError as error:
        raise InvalidArgumentsError([*problems, *error.problems]) from None
    if problems:
        raise InvalidArgumentsError(problems)
    return request


def _doubts(given: AddCustomersToSegmentInput) -> str:
    """A word about ids that may well be right and yet look like those of another type."""
    told = []
    if repeated := len(given.customer_ids) - len(set(given.customer_ids)):
        told.append(f" {repeated} repeated {_plural(repeated, 'id')} went once.")
    if given.id_type is IdType.ID and (emails := sum(map(is_email, given.customer_ids))):
        told.append(
            f" {emails} of the ids {'looks' if emails == 1 else 'look'} like an email address: they match only people "
            "whose id is that address. If that was not meant, call again with id_type 'email'."
        )
    return "".join(told)


def _after(receipt: Receipt) -> str:
    return f" at attempt {receipt.attempts}" if receipt.attempts > 1 else ""


def _plural(number: int, noun: str) -> str:
    return noun if number == 1 else f"{noun}s"
