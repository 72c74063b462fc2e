"""Requests over aiohttp's connections: timeouts, broken responses, reused connections, certificates."""

from __future__ import annotations

import asyncio
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
    RequestFailedError,
    RetryPolicy,
    TrackClient,
    UnavailableError,
    UntrustedCertificateError,
)
from customerio_track_mcp.track.transports.connection_pool import ConnectionPool
from customerio_track_mcp.track.transports.pooled_transport import PooledTransport
from tests.support.clients import FAST_RETRIES
from tests.support.scripted_server import Act, ScriptedServer, close, hang, raw, respond
from tests.track.failing_calls import CREDENTIALS, ONE_ATTEMPT, PERSON, failure_of_identify, failure_of_track


async def test_put_that_fails_on_a_reused_connection_counts_as_an_attempt(scripted: ScriptedServer) -> None:
    """aiohttp would resend it by itself, past the rate limit, the count of attempts and their maximum."""
    scripted.acts = [respond(200, "{}"), close]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=FAST_RETRIES) as client:
        assert (await client.identify(PERSON)).attempts == 1
        assert (await client.identify(PERSON)).attempts == 2
    assert len(scripted.requests) == 3
    scripted.acts = [respond(200, "{}"), close]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=ONE_ATTEMPT) as client:
        await client.identify(PERSON)
        error = await failure_of_identify(client)
    assert (error.attempts, error.outcome_unknown) == (1, True)
    assert len(scripted.requests) == 5


async def test_connection_is_reused(scripted: ScriptedServer) -> None:
    async with TrackClient(CREDENTIALS, scripted.url) as client:
        for _ in range(5):
            await client.track("42", "seen")
    assert scripted.connections == 1


async def test_connection_is_reused_after_an_error_and_sends_no_cookie(scripted: ScriptedServer) -> None:
    scripted.acts = [respond(503, "<html>busy</html>", "text/html", Set_Cookie="a=b"), respond(400, '{"meta": {}}')]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=FAST_RETRIES) as client:
        await failure_of_identify(client)
        await client.identify(PERSON)
    assert len(scripted.requests) == 3
    assert scripted.connections == 1
    assert all("cookie" not in request.headers for request in scripted.requests)


async def test_connection_that_is_not_accepted_times_out() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # fills the backlog
            retry_policy = RetryPolicy(connect_timeout=0.05, max_attempts=1)
            async with TrackClient(CREDENTIALS, f"http://127.0.0.1:{port}", retry_policy=retry_policy) as client:
                error = await failure_of_track(client)
    assert isinstance(error, UnavailableError)
    assert "ConnectTimeout" in str(error)
    assert not error.outcome_unknown


@pytest.mark.parametrize(
    "parts",
    [
        [b"HTTP/1.1 200 OK\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"{"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\n{}\r\n"],
    ],
)
async def test_incomplete_response_times_out(scripted: ScriptedServer, parts: list[bytes]) -> None:
    scripted.acts = [raw(*parts)]
    retry_policy = RetryPolicy(read_timeout=0.1, max_attempts=1)
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=retry_policy) as client:
        error = await failure_of_identify(client)
        assert isinstance(error, UnavailableError)
        assert "ReadTimeout" in str(error)
        assert error.outcome_unknown
        assert (await client.identify(PERSON)).attempts == 1


async def test_timeout_applies_after_an_interim_response(scripted: ScriptedServer) -> None:
    scripted.acts = [raw(b"HTTP/1.1 103 Early Hints\r\n\r\n")]
    retry_policy = RetryPolicy(connect_timeout=0.1, write_timeout=0.1, read_timeout=0.1, max_attempts=1)
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=retry_policy) as client:
        error = await failure_of_identify(client)
    assert isinstance(error, UnavailableError)
    assert error.outcome_unknown
    assert "ReadTimeout: no complete response in 0.3 seconds" in str(error)


@pytest.mark.filterwarnings("ignore:Sending a large body directly")
async def test_request_that_is_not_received_times_out() -> None:
    """The body is larger than loopback's buffers, and far larger than any request of the tools."""
    transport = PooledTransport(ConnectionPool(None, 1))
    with socket.create_server(("127.0.0.1", 0)) as listener:  # never reads
        request = httpx.Request(
            "POST",
            f"http://127.0.0.1:{listener.getsockname()[1]}",
            content=b"x" * 64_000_000,
            extensions={"timeout": httpx.Timeout(30, write=0.1).as_dict()},
        )
        with anyio.fail_after(20), pytest.raises(httpx.WriteTimeout):
            await transport.handle_async_request(request)
        await transport.aclose()


@pytest.mark.parametrize("hostname", ["track..example.com", "a" * 70 + ".example.com", ".invalid"])
async def test_invalid_hostname_is_a_connection_error(hostname: str) -> None:
    async with TrackClient(CREDENTIALS, f"https://{hostname}", retry_policy=ONE_ATTEMPT) as client:
        error = await failure_of_identify(client)
    assert isinstance(error, UnavailableError)
    assert not error.outcome_unknown


async def test_canceled_call_closes_its_connection_at_once(scripted: ScriptedServer) -> None:
    scripted.acts = [hang]
    async with TrackClient(CREDENTIALS, scripted.url) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.track, "42", "seen")
            await scripted.received.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(30):
            await scripted.client_left.wait()
        assert (await client.track("42", "seen again")).attempts == 1
    assert len(scripted.requests) == 2


@pytest.mark.parametrize(
    "act",
    [
        raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"),
        raw(b"nonsense\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n"),
        close,
    ],
)
async def test_invalid_response_leaves_the_outcome_unknown_and_the_next_call_succeeds(
    scripted: ScriptedServer, act: Act
) -> None:
    scripted.acts = [act]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=ONE_ATTEMPT) as client:
        error = await failure_of_identify(client)
        assert isinstance(error, UnavailableError)
        assert error.outcome_unknown
        assert (await client.identify(PERSON)).attempts == 1


async def test_response_with_a_long_header_is_accepted(scripted: ScriptedServer) -> None:
    scripted.acts = [respond(200, "{}", X="x" * 50_000)]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=ONE_ATTEMPT) as client:
        assert (await client.identify(PERSON)).attempts == 1


@pytest.mark.parametrize(
    "unrequested",
    [
        b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"stale": "yes!"}',
        b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"H",
        b"",  # the server closes the connection
    ],
)
async def test_data_received_on_an_idle_connection_is_not_taken_for_a_response(
    scripted: ScriptedServer, unrequested: bytes
) -> None:
    """Otherwise a call could be reported as confirmed although it was rejected."""
    idle, sent = asyncio.Event(), asyncio.Event()

    async def respond_twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await respond(200, "{}")(reader, writer)
        await idle.wait()
        writer.write(unrequested)
        if not unrequested:
            writer.close()
        sent.set()

    scripted.acts = [respond_twice, respond(400, "{}")]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=ONE_ATTEMPT) as client:
        assert (await client.identify(PERSON)).attempts == 1
        idle.set()
        await sent.wait()
        error = await failure_of_identify(client)
        assert (error.status, error.outcome_unknown) == (400, False)
    assert (len(scripted.requests), scripted.connections) == (2, 2)


async def test_error_of_a_connection_that_closes_at_once_does_not_contain_the_person() -> None:
    """aiohttp's error contains the URL if the connection closes while it sends the body."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    transport = PooledTransport(ConnectionPool(trusting, 1))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept_and_close() -> None:
            for _ in range(10):
                accepted, _ = listener.accept()
                with context.wrap_socket(accepted, server_side=True) as tls:
                    tls.setblocking(False)
                    with suppress(OSError):
                        tls.unwrap()

        thread = threading.Thread(target=accept_and_close)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        async with TrackClient(CREDENTIALS, url, retry_policy=ONE_ATTEMPT, transport=transport) as client:
            for _ in range(10):
                with pytest.raises(RequestFailedError) as caught:
                    await client.track(PERSON, "seen")
                assert "ann" not in "".join(traceback.format_exception_only(caught.value))
        await anyio.to_thread.run_sync(thread.join)


async def test_certificates_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with ScriptedServer(context) as scripted:
        async with TrackClient(CREDENTIALS, scripted.url, retry_policy=ONE_ATTEMPT) as client:
            error = await failure_of_identify(client)
        assert isinstance(error, UntrustedCertificateError)
        assert "certificate verify failed" in str(error)
        assert not error.outcome_unknown
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        async with TrackClient(CREDENTIALS, scripted.url) as client:
            await client.identify(PERSON)
        assert [request.line for request in scripted.requests] == ["PUT /api/v1/customers/ann%40example.com HTTP/1.1"]
        other_hostname = scripted.url.replace("127.0.0.1", "localhost")
        async with TrackClient(CREDENTIALS, other_hostname, retry_policy=ONE_ATTEMPT) as client:
            assert "certificate" in str(await failure_of_identify(client))
