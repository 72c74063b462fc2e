"""The connections to the Track API: what they owe to whoever speaks httpx over them."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import threading
import traceback
from contextlib import suppress
from pathlib import Path

import anyio
import httpx
import pytest
import trustme

from customerio_track_mcp.track import (
    Credentials,
    Patience,
    RequestFailedError,
    StoppedError,
    TrackClient,
    UnavailableError,
)
from customerio_track_mcp.track.transports.pool import KeptConnections
from tests.conftest import IMPATIENT
from tests.scripted import Act, ScriptedServer, answer, close, hang

CREDENTIALS = Credentials("site-id", "api-key")
PERSON = "ann@example.com"
ONE_ATTEMPT = Patience(max_attempts=1)


def raw(*parts: bytes) -> Act:
    """Send these bytes and then nothing more, with the connection left open."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        await hang(reader, writer)

    return act


async def failure_of(client: TrackClient) -> RequestFailedError:
    with pytest.raises(RequestFailedError) as caught:
        await client.identify(PERSON)
    assert PERSON not in str(caught.value)
    assert "ann%40example.com" not in "".join(traceback.format_exception(caught.value))
    return caught.value


async def test_a_put_that_breaks_on_a_kept_connection_is_an_attempt_like_any_other(scripted: ScriptedServer) -> None:
    """aiohttp by itself would send it again, unseen by the rate budget, the counts and the bound on attempts."""
    scripted.acts = [answer(200, "{}"), close]
    async with TrackClient(CREDENTIALS, scripted.url, patience=IMPATIENT) as client:
        assert (await client.identify(PERSON)).attempts == 1
        assert (await client.identify(PERSON)).attempts == 2
    assert len(scripted.requests) == 3
    scripted.acts = [answer(200, "{}"), close]
    async with TrackClient(CREDENTIALS, scripted.url, patience=ONE_ATTEMPT) as client:
        await client.identify(PERSON)
        error = await failure_of(client)
    assert (error.attempts, error.outcome_unknown) == (1, True)
    assert len(scripted.requests) == 5


@pytest.mark.parametrize(
    "parts",
    [
        [b"HTTP/1.1 200 OK\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"{"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\n{}\r\n"],
    ],
)
async def test_an_answer_that_stops_half_way_times_out(scripted: ScriptedServer, parts: list[bytes]) -> None:
    scripted.acts = [raw(*parts)]
    patience = Patience(read_timeout=0.1, max_attempts=1)
    async with TrackClient(CREDENTIALS, scripted.url, patience=patience) as client:
        error = await failure_of(client)
        assert isinstance(error, UnavailableError)
        assert "ReadTimeout" in str(error)
        assert error.outcome_unknown
        assert (await client.identify(PERSON)).attempts == 1


async def test_an_interim_answer_does_not_take_away_the_time_out(scripted: ScriptedServer) -> None:
    scripted.acts = [raw(b"HTTP/1.1 103 Early Hints\r\n\r\n")]
    patience = Patience(connect_timeout=0.1, write_timeout=0.1, read_timeout=0.1, max_attempts=1)
    async with TrackClient(CREDENTIALS, scripted.url, patience=patience) as client:
        error = await failure_of(client)
    assert isinstance(error, UnavailableError)
    assert error.outcome_unknown


@pytest.mark.parametrize("host", ["track..example.com", "a" * 70 + ".example.com", ".invalid"])
async def test_a_host_that_can_be_none_is_no_connection(host: str) -> None:
    async with TrackClient(CREDENTIALS, f"https://{host}", patience=ONE_ATTEMPT) as client:
        error = await failure_of(client)
    assert isinstance(error, UnavailableError)
    assert not error.outcome_unknown


async def test_a_closed_client_sends_nothing(scripted: ScriptedServer) -> None:
    client = TrackClient(CREDENTIALS, scripted.url, patience=ONE_ATTEMPT)
    await client.aclose()
    error = await failure_of(client)
    assert "the client is closed" in str(error)
    assert not error.outcome_unknown
    client = TrackClient(CREDENTIALS, scripted.url, patience=ONE_ATTEMPT)
    await client.identify(PERSON)
    await client.aclose()
    assert "the client is closed" in str(await failure_of(client))
    assert len(scripted.requests) == 1


async def test_a_stop_while_an_attempt_fails_is_told_as_a_stop() -> None:
    class Stopping(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            client.stop()
            raise httpx.ConnectError("", request=request)

    async with TrackClient(CREDENTIALS, "http://127.0.0.1:1", transport=Stopping()) as client:
        assert isinstance(await failure_of(client), StoppedError)


async def test_a_connection_that_ends_at_once_never_tells_who_it_was_about() -> None:
    """aiohttp's words for a body that finds its connection closing hold the URL."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    transport = KeptConnections(trusting, 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def say_goodbye() -> None:
            for _ in range(10):
                accepted, _ = listener.accept()
                with context.wrap_socket(accepted, server_side=True) as tls:
                    tls.setblocking(False)
                    with suppress(OSError):
                        tls.unwrap()

        serving = threading.Thread(target=say_goodbye)
        serving.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        async with TrackClient(CREDENTIALS, url, patience=ONE_ATTEMPT, transport=transport) as client:
            for _ in range(10):
                with pytest.raises(RequestFailedError) as caught:
                    await client.track(PERSON, "seen")
                assert "ann" not in "".join(traceback.format_exception_only(caught.value))
        await anyio.to_thread.run_sync(serving.join)


@pytest.mark.parametrize(
    "act",
    [
        raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"),
        raw(b"nonsense\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n"),
        answer(200, "no gzip", Content_Encoding="gzip"),
        close,
    ],
)
async def test_an_answer_that_is_none_leaves_a_doubt_and_the_next_call_works(
    scripted: ScriptedServer, act: Act
) -> None:
    scripted.acts = [act]
    async with TrackClient(CREDENTIALS, scripted.url, patience=ONE_ATTEMPT) as client:
        error = await failure_of(client)
        assert isinstance(error, UnavailableError)
        assert error.outcome_unknown
        assert (await client.identify(PERSON)).attempts == 1


async def test_an_answer_with_a_long_header_is_read(scripted: ScriptedServer) -> None:
    scripted.acts = [answer(200, "{}", X="x" * 50_000)]
    async with TrackClient(CREDENTIALS, scripted.url, patience=ONE_ATTEMPT) as client:
        assert (await client.identify(PERSON)).attempts == 1


async def test_a_compressed_answer_is_read(scripted: ScriptedServer) -> None:
    body = gzip.compress(b'{"region": "eu"}')
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    scripted.acts = [raw(head.encode(), body)]
    async with TrackClient(CREDENTIALS, scripted.url) as client:
        assert (await client.find_region()).body == {"region": "eu"}


@pytest.mark.filterwarnings("ignore:Sending a large body directly")
async def test_a_request_that_the_other_side_does_not_take_times_out() -> None:
    """It is more than loopback's buffers take unread, and far more than any request of the tools."""
    transport = KeptConnections(None, 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:  # where nobody ever reads
        request = httpx.Request(
            "POST",
            f"http://127.0.0.1:{listener.getsockname()[1]}",
            content=b"x" * 64_000_000,
            extensions={"timeout": httpx.Timeout(30, write=0.1).as_dict()},
        )
        with anyio.fail_after(20), pytest.raises(httpx.WriteTimeout):
            await transport.handle_async_request(request)
        await transport.aclose()


async def test_a_connection_is_kept_after_an_error_and_carries_no_cookie(scripted: ScriptedServer) -> None:
    scripted.acts = [answer(503, "<html>busy</html>", "text/html", Set_Cookie="a=b"), answer(400, '{"meta": {}}')]
    async with TrackClient(CREDENTIALS, scripted.url, patience=IMPATIENT) as client:
        await failure_of(client)
        await client.identify(PERSON)
    assert len(scripted.requests) == 3
    assert scripted.connections == 1
    assert all("cookie" not in request.headers for request in scripted.requests)


async def test_a_cancelled_call_frees_its_place(scripted: ScriptedServer) -> None:
    scripted.acts = [hang]
    async with TrackClient(CREDENTIALS, scripted.url, max_connections=1) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.identify, PERSON)
            tasks.start_soon(client.identify, "another, who waits for that one's connection")
            await scripted.received.wait()
            tasks.cancel_scope.cancel()
        assert (await client.identify(PERSON)).attempts == 1
    assert len(scripted.requests) == 2


@pytest.mark.parametrize(
    "unasked",
    [
        b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"stale": "yes!"}',
        b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"H",
        b"",
    ],
)
async def test_what_came_on_an_idle_connection_answers_no_later_request(
    scripted: ScriptedServer, unasked: bytes
) -> None:
    """Else a call could be told that it was confirmed when it was refused. (Nothing stands for the end.)"""
    idle, sent = asyncio.Event(), asyncio.Event()

    async def answer_twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(200, "{}")(reader, writer)
        await idle.wait()
        writer.write(unasked)
        if not unasked:
            writer.close()
        sent.set()

    scripted.acts = [answer_twice, answer(400, "{}")]
    async with TrackClient(CREDENTIALS, scripted.url, patience=ONE_ATTEMPT) as client:
        assert (await client.identify(PERSON)).attempts == 1
        idle.set()
        await sent.wait()
        error = await failure_of(client)
        assert (error.status, error.outcome_unknown) == (400, False)
    assert (len(scripted.requests), scripted.connections) == (2, 2)


async def test_certificates_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with ScriptedServer(context) as scripted:
        async with TrackClient(CREDENTIALS, scripted.url, patience=ONE_ATTEMPT) as client:
            error = await failure_of(client)
        assert isinstance(error, UnavailableError)
        assert "certificate verify failed" in str(error)
        assert not error.outcome_unknown
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        async with TrackClient(CREDENTIALS, scripted.url) as client:
            await client.identify(PERSON)
        assert [request.line for request in scripted.requests] == ["PUT /api/v1/customers/ann%40example.com HTTP/1.1"]
        with_name = scripted.url.replace("127.0.0.1", "localhost")
        async with TrackClient(CREDENTIALS, with_name, patience=ONE_ATTEMPT) as client:
            assert "certificate" in str(await failure_of(client))


def test_certificates_that_cannot_be_read_are_told_before_any_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    with pytest.raises(OSError, match="No such file"):
        TrackClient(CREDENTIALS)


@pytest.mark.parametrize(
    ("variables", "asked"),
    [
        ({"HTTPS_PROXY": "http://PROXY"}, True),
        ({"HTTPS_PROXY": "PROXY"}, True),
        ({"ALL_PROXY": "http://PROXY"}, True),
        ({"HTTP_PROXY": "http://PROXY"}, False),
        ({"HTTPS_PROXY": "http://PROXY", "NO_PROXY": "example.org,customer.invalid"}, False),
        ({"HTTPS_PROXY": "http://PROXY", "NO_PROXY": "*"}, False),
    ],
)
async def test_which_proxy_of_the_environment_is_asked(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], asked: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("PROXY", scripted.url.removeprefix("http://")))
    scripted.acts = [answer(502, "")]
    patience = Patience(max_attempts=1, connect_timeout=2)
    async with TrackClient(CREDENTIALS, "https://track.customer.invalid", patience=patience) as client:
        error = await failure_of(client)
    lines = ["CONNECT track.customer.invalid:443 HTTP/1.1"] if asked else []
    assert [request.line for request in scripted.requests] == lines
    assert not error.outcome_unknown


async def test_another_transport_of_httpx_can_take_the_place(scripted: ScriptedServer) -> None:
    scripted.acts = [answer(503, ""), answer(200, "{}")]
    transport = httpx.AsyncHTTPTransport()
    async with TrackClient(CREDENTIALS, f"{scripted.url}/here", patience=IMPATIENT, transport=transport) as client:
        assert (await client.identify("a/b")).attempts == 2
    assert scripted.requests[1].line == "PUT /here/api/v1/customers/a%2Fb HTTP/1.1"
