"""Graceful shutdown: every call in flight gets a response, and no event is recorded twice."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter
from contextlib import AbstractContextManager, AsyncExitStack

import anyio
import httpx
import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.http_service import HEADERS, another_call, call, payload_in
from tests.support.process import environment, exit_status, running, url_from_stderr
from tests.support.raw_messages import LEGACY, MODERN, headers_of, raw_call
from tests.support.scripted_server import ScriptedServer, hang, respond_when
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("http_parser")


def service(track_url: str, **settings: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """Start the service; see `running`."""
    env = environment(track_url=track_url, api_key="sandbox:sandbox", **settings)
    return running("http", "--port", "0", env=env)


def http_client() -> httpx.AsyncClient:
    """Return a client that opens a connection for each request."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx.AsyncClient(trust_env=False, headers=HEADERS, timeout=60, limits=limits)


async def send(url: str, responses: list[httpx.Response]) -> None:
    """Call a tool and append the response to `responses`."""
    async with http_client() as http:
        responses.append(await http.post(url, json=another_call()))


async def readyz_gets(url: httpx.URL, status: int | None) -> bool:
    """Return whether `/readyz` responds with this status; None means that the connection fails."""
    async with http_client() as http:
        try:
            return (await http.get(url.copy_with(path="/readyz"))).status_code == status
        except httpx.TransportError:
            return status is None


@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_sigterm_cuts_no_response(scripted: ScriptedServer, version: str) -> None:
    """sse-starlette would end every stream of the older version at SIGTERM."""
    calls = 50
    go = anyio.Event()
    scripted.acts = [respond_when(go)] * calls
    responses: list[httpx.Response] = []
    with service(scripted.url, rate_limit="10000", http_body_timeout="3") as process:
        url = httpx.URL(url_from_stderr(process, "listening on"))

        async def send_event(number: int) -> None:
            content = raw_call(version, json.dumps({"customer_id": str(number), "event_name": "bought"}))
            responses.append(await http.post(url, content=content, headers=headers_of(version)))

        async with (
            http_client() as http,
            AsyncExitStack() as stack,
            anyio.create_task_group() as tasks,
        ):
            for number in range(calls):
                tasks.start_soon(send_event, number)
            await wait_until(lambda: len(scripted.requests) == calls)
            # Not before, or the time for a head could be over.
            slow = await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", url.port or 0))
            head = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
            await slow.send(head)
            assert (await slow.receive()).startswith(b"HTTP/1.1 100")
            process.send_signal(signal.SIGTERM)
            # sse-starlette looks twice a second for a server that exits. It has done so in the three seconds until a
            # body is too slow.
            assert (await slow.receive()).startswith(b"HTTP/1.1 408")
            go.set()
        assert await exit_status(process) == 0
    assert [payload_in(response)["success"] for response in responses] == [True] * calls


async def test_sigterm_finishes_calls_in_flight_and_refuses_new_connections(scripted: ScriptedServer) -> None:
    go = anyio.Event()
    scripted.acts = [respond_when(go)] * 5
    responses: list[httpx.Response] = []
    with service(scripted.url) as process:
        url = url_from_stderr(process, "listening on")

        async def is_refused() -> bool:
            async with http_client() as http:
                try:
                    await http.get(url.replace("/mcp", "/healthz"))
                except httpx.ConnectError:
                    return True
                except httpx.TransportError:
                    return False  # accepted by the system, and closed or reset when the service stopped listening
            return False

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(send, url, responses)
            await wait_until(lambda: len(scripted.requests) == 5)
            process.send_signal(signal.SIGTERM)
            await wait_until(is_refused)
            go.set()
        assert [payload_in(response)["success"] for response in responses] == [True] * 5
        assert await exit_status(process) == 0
    assert len(scripted.requests) == 5


async def test_draining_service_is_not_ready_but_serves_calls(sandbox: RunningSandbox) -> None:
    with service(sandbox.url, http_drain_delay="300") as process:
        url = httpx.URL(url_from_stderr(process, "listening on"))
        assert await readyz_gets(url, 200)
        process.send_signal(signal.SIGTERM)
        await wait_until(lambda: readyz_gets(url, 503))
        async with http_client() as http:
            assert payload_in(await http.post(url, json=call()))["success"]
        process.send_signal(signal.SIGTERM)
        assert await exit_status(process) == 0


async def test_call_that_outlasts_the_grace_period_gets_an_unknown_outcome(scripted: ScriptedServer) -> None:
    scripted.acts = [hang]
    with service(scripted.url, http_grace_period="0.2") as process:
        url = url_from_stderr(process, "listening on")
        responses: list[httpx.Response] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, url, responses)
            await scripted.received.wait()
            process.send_signal(signal.SIGTERM)
        error = payload_in(responses[0])["error"]
        event_id = scripted.requests[0].json["id"]
        assert error.startswith("The server is stopping and ended the call after 1 attempt. ")
        assert f"Whether the event was recorded is unknown. Its event id is {event_id}." in error
        assert await exit_status(process) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


async def test_second_signal_ends_calls_at_once(scripted: ScriptedServer) -> None:
    scripted.acts = [hang]
    with service(scripted.url, http_grace_period="600") as process:
        url = url_from_stderr(process, "listening on")
        responses: list[httpx.Response] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, url, responses)
            await scripted.received.wait()
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)
        assert "The server is stopping" in payload_in(responses[0])["error"]
        assert await exit_status(process) == 0


async def test_sigterm_under_load_confirms_exactly_the_recorded_events(sandbox: RunningSandbox) -> None:
    """Clients call until they are cut off: each success is one event, and each event has its success.

    If a connection is closed before the service has read a call from it, nothing was sent for that call.
    """
    confirmed: Counter[str] = Counter()
    with service(sandbox.url, http_max_in_flight_per_caller="200", rate_limit="10000") as process:
        url = url_from_stderr(process, "listening on")

        async def keep_calling(caller: int) -> None:
            async with http_client() as http:
                for number in range(1000):
                    name = f"event-{caller}-{number}"
                    try:
                        response = await http.post(url, json=call(customer_id="1", event_name=name))
                    except httpx.HTTPError:
                        return
                    assert payload_in(response)["success"]
                    confirmed[name] += 1

        async with anyio.create_task_group() as tasks:
            for caller in range(16):
                tasks.start_soon(keep_calling, caller)
            await wait_until(lambda: len(confirmed) > 100)
            process.send_signal(signal.SIGTERM)
        assert await exit_status(process) == 0
    assert Counter(event.name for event in sandbox.workspace.events) == confirmed


async def test_incomplete_request_does_not_delay_shutdown(sandbox: RunningSandbox) -> None:
    with service(sandbox.url, http_body_timeout="600", http_grace_period="0") as process:
        url = httpx.URL(url_from_stderr(process, "listening on"))
        async with await anyio.connect_tcp("127.0.0.1", url.port or 0) as stream:
            await stream.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
            process.send_signal(signal.SIGTERM)
            assert await exit_status(process) == 0


async def test_third_signal_closes_every_connection(scripted: ScriptedServer) -> None:
    """From Python 3.12.1 on, asyncio's servers wait for every connection when they close."""
    scripted.acts = [hang]
    with service(scripted.url, http_body_timeout="600", http_grace_period="600", http_drain_delay="300") as process:
        url = httpx.URL(url_from_stderr(process, "listening on"))
        async with await anyio.connect_tcp("127.0.0.1", url.port or 0) as stream:
            await stream.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
            # The kernel merges equal signals that are pending, so wait for the effect of each before sending the next.
            process.send_signal(signal.SIGTERM)
            await wait_until(lambda: readyz_gets(url, 503))
            process.send_signal(signal.SIGTERM)
            await wait_until(lambda: readyz_gets(url, None))
            process.send_signal(signal.SIGTERM)
            assert await exit_status(process) == 0


async def test_calls_waiting_for_a_connection_report_that_nothing_was_sent(scripted: ScriptedServer) -> None:
    """The pool has 64 connections; the outcome of calls beyond that is known."""
    scripted.acts = [hang] * 80
    responses: list[httpx.Response] = []
    settings = {"http_grace_period": "0", "http_max_in_flight_per_caller": "100", "rate_limit": "10000"}
    with service(scripted.url, **settings) as process:
        url = url_from_stderr(process, "listening on")
        async with anyio.create_task_group() as tasks:
            for _ in range(80):
                tasks.start_soon(send, url, responses)
            await wait_until(lambda: len(scripted.requests) == 64)
            metrics = url.replace("/mcp", "/metrics")

            async def all_in_flight() -> bool:
                async with http_client() as http:
                    return "calls_in_flight 80.0" in (await http.get(metrics)).text

            await wait_until(all_in_flight)
            process.send_signal(signal.SIGTERM)
        assert await exit_status(process) == 0
    errors = [payload_in(response)["error"] for response in responses]
    assert sum("Whether the event was recorded is unknown" in error for error in errors) == len(scripted.requests) == 64
    assert sum("The request was not carried out" in error for error in errors) == 16
