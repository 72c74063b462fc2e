"""The end of the service: every call in flight gets an answer, and none is doubled."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from typing import Any

import anyio
import httpx
from anyio import to_thread

from customerio_track_mcp.sandbox import RunningSandbox
from tests.http_service.serving import HEADERS, call, payload_in
from tests.process import environment, running, url_told
from tests.scripted import ScriptedServer, answer_when, hang
from tests.waiting import until


def service(track_url: str, *arguments: str, **settings: str) -> Any:
    env = environment(track_url=track_url, api_key="sandbox:sandbox", **settings)
    return running("http", "--port", "0", *arguments, env=env)


def client() -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx.AsyncClient(trust_env=False, headers=HEADERS, timeout=60, limits=limits)


async def send(url: str, replies: list[httpx.Response]) -> None:
    async with client() as http:
        replies.append(await http.post(url, json=call()))


async def ended(process: subprocess.Popen[str]) -> int:
    with anyio.fail_after(60):
        return await to_thread.run_sync(process.wait, abandon_on_cancel=True)


async def test_after_sigterm_calls_in_flight_finish_and_no_new_ones_are_taken(scripted: ScriptedServer) -> None:
    go = anyio.Event()
    scripted.acts = [answer_when(go)] * 5
    replies: list[httpx.Response] = []
    with service(scripted.url) as process:
        url = url_told(process, "listening on")

        async def refused() -> bool:
            async with client() as http:
                try:
                    await http.get(url.replace("/mcp", "/healthz"))
                except httpx.ConnectError:
                    return True
            return False

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(send, url, replies)
            await until(lambda: len(scripted.requests) == 5)
            process.send_signal(signal.SIGTERM)
            await until(refused)
            go.set()
        assert [payload_in(reply)["success"] for reply in replies] == [True] * 5
        assert await ended(process) == 0
    assert len(scripted.requests) == 5


async def test_while_draining_it_calls_itself_not_ready_and_still_serves(sandbox: RunningSandbox) -> None:
    with service(sandbox.url, http_drain_delay="300") as process:
        url = url_told(process, "listening on")
        async with client() as http:
            ready = url.replace("/mcp", "/readyz")
            assert (await http.get(ready)).status_code == 200
            process.send_signal(signal.SIGTERM)

            async def not_ready() -> bool:
                return (await http.get(ready)).status_code == 503

            await until(not_ready)
            assert payload_in(await http.post(url, json=call()))["success"]
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0


async def test_what_the_grace_period_does_not_suffice_for_is_told_what_is_known(scripted: ScriptedServer) -> None:
    scripted.acts = [hang]
    with service(scripted.url, http_grace_period="0.2") as process:
        url = url_told(process, "listening on")
        replies: list[httpx.Response] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, url, replies)
            await scripted.received.wait()
            process.send_signal(signal.SIGTERM)
        error = payload_in(replies[0])["error"]
        event_id = scripted.requests[0].json["id"]
        assert error.startswith("This server is stopping: the call was ended after 1 attempt. ")
        assert f"Whether the event was recorded is unknown. Its id is {event_id}." in error
        assert await ended(process) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


async def test_a_second_signal_ends_the_calls_at_once(scripted: ScriptedServer) -> None:
    scripted.acts = [hang]
    with service(scripted.url, http_grace_period="600") as process:
        url = url_told(process, "listening on")
        replies: list[httpx.Response] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, url, replies)
            await scripted.received.wait()
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)
        assert "This server is stopping" in payload_in(replies[0])["error"]
        assert await ended(process) == 0


async def test_sigterm_under_load_loses_no_call_without_an_answer_and_doubles_none(sandbox: RunningSandbox) -> None:
    """Each caller calls until it is cut off: an answer that says yes is an event, and no event has no answer.

    A connection that is closed before the service has read a call from it is no call: nothing was sent for it.
    """
    told: Counter[str] = Counter()
    with service(sandbox.url, http_max_in_flight_per_caller="200", rate_limit="10000") as process:
        url = url_told(process, "listening on")

        async def keep_calling(caller: int) -> None:
            async with client() as http:
                for number in range(1000):
                    name = f"event-{caller}-{number}"
                    try:
                        reply = await http.post(url, json=call(customer_id="1", event_name=name))
                    except httpx.HTTPError:
                        return
                    assert payload_in(reply)["success"]
                    told[name] += 1

        async with anyio.create_task_group() as tasks:
            for caller in range(16):
                tasks.start_soon(keep_calling, caller)
            await until(lambda: len(told) > 100)
            process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0
    assert Counter(event.name for event in sandbox.workspace.events) == told


async def test_a_caller_who_sends_half_a_request_does_not_hold_up_the_end(sandbox: RunningSandbox) -> None:
    with service(sandbox.url, http_body_timeout="600", http_grace_period="0") as process:
        url = httpx.URL(url_told(process, "listening on"))
        async with await anyio.connect_tcp("127.0.0.1", url.port or 0) as stream:
            await stream.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
            process.send_signal(signal.SIGTERM)
            assert await ended(process) == 0


async def test_a_third_signal_ends_everything(scripted: ScriptedServer) -> None:
    """From Python 3.12.1 on, asyncio's servers wait for every connection at their end."""
    scripted.acts = [hang]
    with service(scripted.url, http_body_timeout="600", http_grace_period="600", http_drain_delay="300") as process:
        url = httpx.URL(url_told(process, "listening on"))
        async with await anyio.connect_tcp("127.0.0.1", url.port or 0) as stream:
            await stream.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
            # Signals of one kind that come together are one: so each waits for what the one before it did.
            process.send_signal(signal.SIGTERM)
            await until(lambda: answers(url, 503))
            process.send_signal(signal.SIGTERM)
            await until(lambda: answers(url, None))
            process.send_signal(signal.SIGTERM)
            assert await ended(process) == 0


async def answers(url: httpx.URL, status: int | None) -> bool:
    """Whether `/readyz` answers with that status; None is no answer at all."""
    async with client() as http:
        try:
            return (await http.get(url.copy_with(path="/readyz"))).status_code == status
        except httpx.TransportError:
            return status is None


async def test_calls_that_wait_for_a_connection_are_told_that_nothing_was_sent(scripted: ScriptedServer) -> None:
    """The pool has 64 connections: what waits for one of them has not been sent, and is not unknown."""
    scripted.acts = [hang] * 80
    replies: list[httpx.Response] = []
    settings = {"http_grace_period": "0", "http_max_in_flight_per_caller": "100", "rate_limit": "10000"}
    with service(scripted.url, **settings) as process:
        url = url_told(process, "listening on")
        async with anyio.create_task_group() as tasks:
            for _ in range(80):
                tasks.start_soon(send, url, replies)
            await until(lambda: len(scripted.requests) == 64)
            metrics = url.replace("/mcp", "/metrics")

            async def all_there() -> bool:
                async with client() as http:
                    return "calls_in_flight 80.0" in (await http.get(metrics)).text

            await until(all_there)
            process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0
    errors = [payload_in(reply)["error"] for reply in replies]
    assert sum("Whether the event was recorded is unknown" in error for error in errors) == len(scripted.requests) == 64
    assert sum("The request was not carried out" in error for error in errors) == 16
