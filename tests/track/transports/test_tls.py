"""TLS that the two sides do not agree on: one attempt, and advice for the operator."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest
import trustme

from customerio_track_mcp.track import RequestFailedError, RetryPolicy, TlsError, TrackClient
from tests.support.clients import FAST_RETRIES
from tests.support.scripted_server import ScriptedServer
from tests.track.failing_calls import CREDENTIALS, failure_of_track


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """A certificate authority that the client trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return authority


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", id="no TLS"),
        pytest.param(b"\x15\x03\x03\x00\x02\x02\x46", id="alert protocol_version"),  # RFC 8446, section 6.2
        pytest.param(b"\x15\x03\x03\x00\x02\x02\x28", id="alert handshake_failure"),
    ],
)
async def test_server_without_a_common_version_of_tls_is_asked_once(response: bytes) -> None:
    connections = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connections.append(connection)
                connection.recv(65_536)
                connection.sendall(response)
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        async with TrackClient(CREDENTIALS, url, retry_policy=FAST_RETRIES) as client:
            error = await failure_of_track(client)
    assert isinstance(error, TlsError)
    assert "TLS failed: " in str(error)
    assert "SSL_CERT_FILE" in error.advice
    assert (error.attempts, error.outcome_unknown, len(connections)) == (1, False, 1)


async def test_server_that_requires_a_client_certificate_is_reported_by_its_reason(authority: trustme.CA) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    async with ScriptedServer(context) as scripted:
        policy = RetryPolicy(max_attempts=1)
        async with TrackClient(CREDENTIALS, scripted.url, retry_policy=policy) as client:
            error = await failure_of_track(client)
    assert isinstance(error, RequestFailedError)
    assert "Operation not permitted" not in str(error)
