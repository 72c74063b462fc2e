"""What counts, what a refusal says, and what is given back: through the tools, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest
from ulid import ULID

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.chain import Send
from customerio_track_mcp.control.errors import RefusedError
from customerio_track_mcp.control.once.event_id import use_event_id
from customerio_track_mcp.control.quotas.base import Unit
from customerio_track_mcp.control.quotas.control import Quotas
from customerio_track_mcp.control.quotas.counted_events import CountedEvents
from customerio_track_mcp.control.quotas.local import LocalCounters
from customerio_track_mcp.control.write import Write
from customerio_track_mcp.controls import open_quotas
from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.track import Credentials, Receipt, TrackClient
from customerio_track_mcp.upstream import Upstream
from tests.support.clients import FAST_RETRIES
from tests.support.scripted_server import Act, ScriptedServer, close, hang, respond

EVENT: Mapping[str, Any] = {"customer_id": "1", "event_name": "bought"}
CUSTOMER: Mapping[str, Any] = {"customer_id": "1", "email": "ann@example.com"}
Handlers = Callable[..., ToolHandlers]


def people(number: int) -> dict[str, Any]:
    return {"segment_id": 1, "customer_ids": [str(index) for index in range(number)]}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def handlers(scripted: ScriptedServer, clock: Clock) -> AsyncIterator[Handlers]:
    """Return handlers that call the scripted server, with maxima and what is left of them for this process."""
    async with TrackClient(Credentials("site", "key"), scripted.url, retry_policy=FAST_RETRIES) as client:

        def create(
            events: int | None = None, people: int | None = None, share: int | None = None, *others: Any
        ) -> ToolHandlers:
            given = {Unit.EVENTS: events, Unit.PEOPLE: people}
            maxima = {unit: maximum for unit, maximum in given.items() if maximum is not None}
            shares = dict.fromkeys(maxima, share) if share is not None else maxima
            counters = LocalCounters(shares, are_shares=share is not None, clock=clock)
            return ToolHandlers(client, controls=[Quotas(maxima, counters), *others])

        yield create


async def test_refusal_says_everything(handlers: Handlers, clock: Clock, scripted: ScriptedServer) -> None:
    tools = handlers(events=2)
    for _ in range(2):
        assert (await tools.send_event(EVENT)).success
    clock.now = 50 * 60
    call = Call()
    output = await tools.send_event(EVENT, call)
    assert output.error == (
        "Nothing was sent. This call would exceed the maximum of 2 events per hour (CUSTOMERIO_MAX_EVENTS_PER_HOUR): 2 "
        "used in the last hour, 1 more needed. Call again with the same arguments in 12 minutes. Or ask the user: "
        "whoever operates this server can raise CUSTOMERIO_MAX_EVENTS_PER_HOUR."
    )
    assert call.record.outcome == "quota_exceeded"
    assert len(scripted.requests) == 2
    clock.now = 61 * 60
    assert (await tools.send_event(EVENT)).success


async def test_people_of_both_tools_are_counted_together_and_each_id_once(handlers: Handlers) -> None:
    tools = handlers(people=4)
    assert (await tools.create_or_update_customer(CUSTOMER)).success
    assert (await tools.add_customers_to_segment({"segment_id": 1, "customer_ids": ["1", "2", "1", 2]})).success
    # Events are not people, and have no maximum here.
    assert (await tools.send_event(EVENT)).success
    output = await tools.add_customers_to_segment(people(2))
    assert "3 used in the last hour, 2 more needed" in str(output.error)
    assert "Or call now for at most 1 of them." in str(output.error)
    # All or nothing: the refused call has taken nothing.
    assert (await tools.add_customers_to_segment(people(1))).success
    assert "4 used in the last hour, 1 more needed" in str((await tools.create_or_update_customer(CUSTOMER)).error)


async def test_call_that_can_never_pass_must_be_split(handlers: Handlers, scripted: ScriptedServer) -> None:
    tools = handlers(people=500)
    output = await tools.add_customers_to_segment(people(1000))
    assert output.error == (
        "Nothing was sent. This call is for 1000 people, which is more than the maximum of 500 people per hour "
        "(CUSTOMERIO_MAX_PEOPLE_PER_HOUR). It can never be sent as it is: split it into calls for at most 500 people. "
        "Or ask the user: whoever operates this server can raise CUSTOMERIO_MAX_PEOPLE_PER_HOUR."
    )
    assert scripted.requests == []
    assert (await tools.add_customers_to_segment(people(500))).success


async def test_share_of_a_process_is_named_in_refusals(handlers: Handlers) -> None:
    tools = handlers(people=40, share=10)
    assert "more than the share of this process, which is 10, of the maximum of 40 people per hour" in str(
        (await tools.add_customers_to_segment(people(11))).error
    )
    assert (await tools.add_customers_to_segment(people(10))).success
    assert "would exceed the share of this process, which is 10, of the maximum" in str(
        (await tools.add_customers_to_segment(people(1))).error
    )


@pytest.mark.parametrize(
    ("acts", "given_back"),
    [
        ([respond(404, '{"meta": {"error": "no"}}')], True),
        ([respond(401, "{}")], True),
        ([respond(429, "{}")] * 4, True),
        ([close] * 4, False),
        ([respond(500, "{}")] * 4, False),
        # The first attempt may have been carried out, whatever happens afterwards.
        ([close, respond(400, "{}")], False),
    ],
)
async def test_units_are_given_back_only_if_the_call_was_certainly_not_carried_out(
    handlers: Handlers, scripted: ScriptedServer, acts: list[Act], *, given_back: bool
) -> None:
    tools = handlers(people=1)
    scripted.acts = acts
    output = await tools.create_or_update_customer(CUSTOMER)
    assert not output.success
    assert ("is unknown" in str(output.error)) != given_back
    assert (await tools.create_or_update_customer(CUSTOMER)).success == given_back


class Refuse:
    is_active = True

    async def __call__(self, write: Write, call: Call, proceed: Send) -> Receipt | None:
        if self.is_active:
            raise RefusedError("no")
        return await proceed(write, call)


async def test_refusal_of_a_later_control_gives_units_back(handlers: Handlers, scripted: ScriptedServer) -> None:
    refuse = Refuse()
    tools = handlers(1, None, None, refuse)
    assert not (await tools.send_event(EVENT)).success
    refuse.is_active = False
    assert (await tools.send_event(EVENT)).success
    assert len(scripted.requests) == 1


async def test_canceled_call_remains_counted(handlers: Handlers, scripted: ScriptedServer) -> None:
    """Its event id can be reused by an identical call, which is not counted again."""
    tools = handlers(events=1)
    scripted.acts = [hang]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tools.send_event, EVENT)
        await scripted.received.wait()
        tasks.cancel_scope.cancel()
    assert "1 used in the last hour" in str((await tools.send_event(EVENT)).error)


class Reuse:
    """Gives each event the same id, as the resend memory does that all replicas share."""

    def __init__(self, event_id: str) -> None:
        self._event_id = event_id

    async def __call__(self, write: Write, call: Call, proceed: Send) -> Receipt | None:
        call.record.is_reused = True
        return await proceed(use_event_id(write, call, self._event_id), call)


@pytest.fixture
async def client(scripted: ScriptedServer) -> AsyncIterator[TrackClient]:
    async with TrackClient(Credentials("site", "key"), scripted.url, retry_policy=FAST_RETRIES) as client:
        yield client


def reusing(client: TrackClient, clock: Clock, event_id: str, *, events: int) -> ToolHandlers:
    counters = LocalCounters({Unit.EVENTS: events}, clock=clock)
    quotas = Quotas({Unit.EVENTS: events}, counters, CountedEvents(clock))
    return ToolHandlers(client, controls=[Reuse(event_id), quotas])


async def test_reused_event_is_counted_once(client: TrackClient, clock: Clock, scripted: ScriptedServer) -> None:
    tools = reusing(client, clock, str(ULID()), events=1)
    for _ in range(3):
        assert (await tools.send_event(EVENT)).success
        clock.now += 20 * 60 - 1
    assert len(scripted.requests) == 3


async def test_reused_event_that_another_process_was_refused_is_counted(
    client: TrackClient, clock: Clock, scripted: ScriptedServer
) -> None:
    """Two replicas receive a call at once: the first claims the id and is refused, the second has a reused id."""
    counters = LocalCounters({Unit.EVENTS: 1}, clock=clock)  # stands for the one count in Redis
    replicas = [
        ToolHandlers(client, controls=[*reuse, Quotas({Unit.EVENTS: 1}, counters, CountedEvents(clock))])
        for reuse in ([], [Reuse(str(ULID()))])
    ]
    assert (await replicas[0].send_event(EVENT)).success
    for tools in replicas * 2:
        assert "1 used in the last hour" in str((await tools.send_event(EVENT)).error)
    assert len(scripted.requests) == 1


async def test_reused_event_is_counted_again_if_its_unit_does_not_count(client: TrackClient, clock: Clock) -> None:
    """It was given back, since the event was certainly not recorded; or an hour has passed."""
    event_id, maxima = str(ULID()), {Unit.EVENTS: 1}
    counted, counters = CountedEvents(clock), LocalCounters(maxima, clock=clock)
    quotas = Quotas(maxima, counters, counted)
    again, another = (ToolHandlers(client, controls=[*reuse, quotas]) for reuse in ([Reuse(event_id)], []))
    client_fails = ToolHandlers(client, controls=[Reuse(event_id), quotas, Refuse()])
    assert not (await client_fails.send_event(EVENT)).success
    assert (await again.send_event(EVENT)).success
    assert not (await another.send_event(EVENT)).success
    clock.now += 61 * 60
    assert (await again.send_event(EVENT)).success
    assert not (await another.send_event(EVENT)).success


def test_memory_of_counted_events_is_bounded(clock: Clock) -> None:
    counted = CountedEvents(clock, max_entries=2)
    for event_id in ("a", "b", "a", "c"):
        counted.add(event_id)
    assert len(counted) == 2
    assert [event_id in counted for event_id in "abc"] == [True, False, True]


async def test_concurrent_calls_do_not_exceed_the_maximum(handlers: Handlers, scripted: ScriptedServer) -> None:
    tools, successes = handlers(events=7), []

    async def send() -> None:
        successes.append((await tools.send_event(EVENT)).success)

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(send)
    assert successes.count(True) == len(scripted.requests) == 7


def settings(**overrides: Any) -> Settings:
    return Settings(**{"api_key": "site:key"} | overrides)


async def test_without_a_maximum_there_is_no_control() -> None:
    async with open_quotas(Upstream(settings(), "http://127.0.0.1:1")) as quotas:
        assert list(quotas) == []


@pytest.mark.parametrize(
    ("replicas", "processes", "maximum"), [(1, 1, 1), (1, 4, 10), (3, 1, 10), (2, 3, 6), (2, 3, 7), (1, 1, 1000)]
)
async def test_processes_together_never_exceed_the_maximum(
    sandbox: RunningSandbox, replicas: int, processes: int, maximum: int
) -> None:
    upstream = Upstream(settings(max_people_per_hour=maximum, replicas=replicas), sandbox.url)
    sent = 0
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(TrackClient(Credentials("sandbox", "sandbox"), sandbox.url))
        for _ in range(replicas * processes):
            quotas = await stack.enter_async_context(open_quotas(upstream, processes=processes))
            tools = ToolHandlers(client, controls=quotas)
            left = maximum // (replicas * processes)
            assert not (await tools.add_customers_to_segment({"segment_id": 1} | people(left + 1))).success
            assert (await tools.add_customers_to_segment({"segment_id": 1} | people(left))).success
            assert not (await tools.create_or_update_customer(CUSTOMER)).success
            sent += left
    assert 0 < sent <= maximum


@pytest.mark.parametrize("name", ["events", "people"])
async def test_maximum_that_cannot_be_divided_is_reported(name: str) -> None:
    upstream = Upstream(settings(**{f"max_{name}_per_hour": 5, "replicas": 2}), "http://127.0.0.1:1")
    with pytest.raises(SettingsError) as caught:
        async with open_quotas(upstream, processes=3):
            pass
    assert caught.value.problems == [
        f"CUSTOMERIO_MAX_{name.upper()}_PER_HOUR: 5 cannot be divided among 6 processes; set at least 6, or set "
        "CUSTOMERIO_RATE_LIMIT_STORAGE to a Redis that counts for all of them"
    ]


async def test_dry_run_counts_in_the_process_alone(sandbox: RunningSandbox) -> None:
    """Nobody listens at this address of Redis, which would be a line in the log."""
    configured = settings(max_events_per_hour=1, dry_run=True, rate_limit_storage="redis://127.0.0.1:1/0")
    async with (
        open_quotas(Upstream(configured, sandbox.url), processes=2) as quotas,
        TrackClient(Credentials("sandbox", "sandbox"), sandbox.url) as client,
    ):
        tools = ToolHandlers(client, controls=quotas)
        assert (await tools.send_event(EVENT)).success
        error = str((await tools.send_event(EVENT)).error)
    assert "would exceed the maximum of 1 event per hour" in error


@pytest.mark.parametrize("value", [0, -1, "x", "1.5", 1_000_000_001, "inf"])
@pytest.mark.parametrize("name", ["max_events_per_hour", "max_people_per_hour"])
def test_invalid_maximum_is_reported_on_one_line(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=rf"^CUSTOMERIO_{name.upper()}: [^\n]+$"):
        Settings.from_environment(**{name: value})
