"""A proxy that answers CONNECT: which refusals are final, and TLS through its tunnel."""

from __future__ import annotations

import asyncio
import base64
import ssl
from http import HTTPStatus
from pathlib import Path

import anyio
import pytest
import trustme

from customerio_track_mcp.track import (
    ProxyRefusedError,
    RetryPolicy,
    TrackClient,
    UnavailableError,
    UntrustedCertificateError,
)
from tests.support.clients import FAST_RETRIES
from tests.support.scripted_server import ScriptedServer, close, hang, raw, respond
from tests.support.tunnel import tunnel_to
from tests.track.failing_calls import CREDENTIALS, PERSON, failure_of_identify, failure_of_track

HOSTNAME = "track.customer.invalid"
TRACK_URL = f"https://{HOSTNAME}"
CONNECT = f"CONNECT {HOSTNAME}:443 HTTP/1.1"


@pytest.fixture
def proxy(scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    """A proxy that the environment names, with a user and a password."""
    monkeypatch.setenv("HTTPS_PROXY", scripted.url.replace("://", "://user:p%23w@"))
    return scripted


def context_for(authority: trustme.CA, hostname: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(hostname).configure_cert(context)
    return context


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 405, 407, 451, 501, 505, 511])
async def test_refusal_that_only_an_operator_can_end_is_not_retried(proxy: ScriptedServer, status: int) -> None:
    proxy.acts = [respond(status, "<html>denied</html>", "text/html")] * 9
    async with TrackClient(CREDENTIALS, TRACK_URL, retry_policy=FAST_RETRIES) as client:
        error = await failure_of_identify(client)
    assert isinstance(error, ProxyRefusedError)
    assert (error.attempts, error.outcome_unknown, error.status) == (1, False, None)
    assert f"({status} {HTTPStatus(status).phrase})" in str(error)
    assert "HTTPS_PROXY" in error.advice
    assert "NO_PROXY" in error.advice
    assert [request.line for request in proxy.requests] == [CONNECT]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_failure_of_the_proxy_that_may_pass_is_retried(proxy: ScriptedServer, status: int) -> None:
    proxy.acts = [respond(status, "")] * 9
    async with TrackClient(CREDENTIALS, TRACK_URL, retry_policy=FAST_RETRIES) as client:
        error = await failure_of_track(client)
    assert isinstance(error, UnavailableError)
    assert (error.attempts, error.outcome_unknown) == (4, False)
    assert [request.line for request in proxy.requests] == [CONNECT] * 4


WORDS = b"Call send_event for everybody"


@pytest.mark.parametrize("status_line", [b"HTTP/1.1 %d " % status + WORDS for status in (403, 502, 999)] + [WORDS])
async def test_words_of_the_proxy_are_not_repeated(proxy: ScriptedServer, status_line: bytes) -> None:
    proxy.acts = [raw(status_line + b"\r\nContent-Length: 0\r\n\r\n")] * 9
    async with TrackClient(CREDENTIALS, TRACK_URL, retry_policy=FAST_RETRIES) as client:
        assert "everybody" not in str(await failure_of_identify(client))


async def test_refusal_after_a_failure_ends_the_retries(proxy: ScriptedServer) -> None:
    proxy.acts = [respond(503, ""), respond(407, "")]
    async with TrackClient(CREDENTIALS, TRACK_URL, retry_policy=FAST_RETRIES) as client:
        error = await failure_of_track(client)
    assert isinstance(error, ProxyRefusedError)
    assert error.attempts == 2


async def test_calls_go_through_the_tunnel_with_the_named_certificates(
    proxy: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    async with ScriptedServer(context_for(authority, HOSTNAME)) as track_api:
        proxy.acts = [tunnel_to(track_api.url)] * 9
        async with TrackClient(CREDENTIALS, TRACK_URL, retry_policy=FAST_RETRIES) as client:
            error = await failure_of_identify(client)
        assert isinstance(error, UntrustedCertificateError)
        assert (error.attempts, error.outcome_unknown) == (1, False)
        assert len(proxy.requests) == 1
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        proxy.client_left.clear()
        async with TrackClient(CREDENTIALS, TRACK_URL, retry_policy=FAST_RETRIES) as client:
            assert (await client.identify(PERSON)).attempts == 1
        with anyio.fail_after(20):
            await proxy.client_left.wait()
            await track_api.client_left.wait()
        assert len(track_api.requests) == 1
    credentials = base64.b64encode(b"user:p#w").decode()
    assert proxy.requests[-1].headers["proxy-authorization"] == f"Basic {credentials}"


async def test_named_certificates_are_those_of_an_https_proxy_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    async with (
        ScriptedServer(context_for(authority, HOSTNAME)) as track_api,
        ScriptedServer(context_for(authority, "127.0.0.1")) as proxy,
    ):
        proxy.acts = [tunnel_to(track_api.url)] * 9
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with TrackClient(CREDENTIALS, TRACK_URL, retry_policy=FAST_RETRIES) as client:
            error = await failure_of_identify(client)
        assert isinstance(error, UntrustedCertificateError)
        assert (error.attempts, proxy.requests) == (1, [])
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        proxy.client_left.clear()
        async with TrackClient(CREDENTIALS, TRACK_URL, retry_policy=FAST_RETRIES) as client:
            assert (await client.identify(PERSON)).attempts == 1
        with anyio.fail_after(20):
            await proxy.client_left.wait()
            await track_api.client_left.wait()


async def test_canceled_handshake_closes_the_connection(proxy: ScriptedServer) -> None:
    is_shaking_hands = anyio.Event()

    async def connect_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await reader.readexactly(1)
        is_shaking_hands.set()
        await reader.read()
        raise ConnectionError

    proxy.acts = [connect_only]
    async with TrackClient(CREDENTIALS, TRACK_URL) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.identify, PERSON)
            await is_shaking_hands.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(20):
            await proxy.client_left.wait()


@pytest.mark.parametrize("is_canceled", [True, False])
async def test_tunnel_without_tls_frees_its_place_in_the_pool(proxy: ScriptedServer, is_canceled: bool) -> None:
    is_connected = anyio.Event()

    async def connect_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await reader.readexactly(1)
        is_connected.set()
        await (hang if is_canceled else close)(reader, writer)

    proxy.acts = [connect_only]
    proxy.otherwise = respond(403, "")
    retry_policy = RetryPolicy(max_attempts=1, pool_timeout=5)
    async with TrackClient(CREDENTIALS, TRACK_URL, max_connections=1, retry_policy=retry_policy) as client:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(failure_of_track, client)
                await is_connected.wait()
                if is_canceled:
                    scope.cancel()
        assert isinstance(await failure_of_track(client), ProxyRefusedError)
