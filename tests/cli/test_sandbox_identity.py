"""A sandbox is recognized by what it responds, and nothing else is taken for one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from customerio_track_mcp import __version__
from customerio_track_mcp.cli.sandbox_identity import (
    NoSandboxError,
    require_sandbox_of_this_version,
    sandbox_version,
    sandbox_version_when_started,
)
from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox
from customerio_track_mcp.sandbox.certificate import create_certificate
from tests.support.scripted_server import Act, ScriptedServer, close, hang, respond


@asynccontextmanager
async def tls_sandbox() -> AsyncIterator[tuple[str, bytes]]:
    """Run a sandbox with a new certificate on every address of this machine; yields its URL and its CA certificate."""
    certificate = create_certificate([])
    async with run_sandbox(host="0.0.0.0", ssl_context=certificate.context) as sandbox:
        yield sandbox.url.replace("0.0.0.0", "127.0.0.1"), certificate.ca_pem


IDENTITY = {"name": "customerio-track-mcp sandbox", "version": "1.2.3"}


async def test_a_sandbox_responds_with_its_version(sandbox: RunningSandbox) -> None:
    assert await sandbox_version(sandbox.url) == __version__
    await require_sandbox_of_this_version(sandbox.url)


async def test_a_sandbox_of_another_version_is_named(scripted: ScriptedServer) -> None:
    scripted.otherwise = respond(200, json.dumps(IDENTITY))
    assert await sandbox_version(scripted.url) == "1.2.3"
    with pytest.raises(NoSandboxError, match=f"is of version 1.2.3, and this program of {__version__}"):
        await require_sandbox_of_this_version(scripted.url)
    assert [request.line for request in scripted.requests] == ["GET /_sandbox HTTP/1.1"] * 2
    assert "authorization" not in scripted.requests[0].headers


@pytest.mark.parametrize(
    ("act", "found", "advice"),
    [
        (respond(200, "{}"), "is not a sandbox (status 200", ""),
        (respond(200, "<html>"), "is not a sandbox (status 200", ""),
        (respond(200, "[" * 100_000), "is not a sandbox (status 200", ""),
        (respond(200, json.dumps(IDENTITY | {"name": "another program"})), "is not a sandbox (status 200", ""),
        (respond(200, json.dumps(IDENTITY | {"version": 3})), "is not a sandbox (status 200", ""),
        (respond(200, json.dumps(IDENTITY | {"more": "x" * 2**21})), "is not a sandbox (status 200", ""),
        (respond(500, json.dumps(IDENTITY)), "is not a sandbox (status 500", ""),
        (respond(404, ""), "is not a sandbox (status 404 at /_sandbox)", ""),
        (respond(302, "", Location="http://127.0.0.1:1/"), "is not a sandbox (status 302", ""),
        (respond(403, "{}"), "does not accept the hostname 127.0.0.1", "--allow-host 127.0.0.1"),
        (respond(502, ""), "no sandbox answers at", "customerio-track-mcp sandbox"),
        (close, "does not use HTTP", "if it is a sandbox with --tls, write https://"),
        (hang, "(no response in time)", "stop the program that uses that address"),
    ],
)
async def test_what_is_not_a_sandbox_is_described(scripted: ScriptedServer, act: Act, found: str, advice: str) -> None:
    scripted.otherwise = act
    with pytest.raises(NoSandboxError) as caught:
        await sandbox_version(scripted.url)
    assert found in str(caught.value)
    assert scripted.url in str(caught.value)
    assert (advice in caught.value.advice) if advice else caught.value.advice == ""
    assert len(str(caught.value)) < 200


async def test_another_scheme_than_that_of_the_sandbox_is_described(sandbox: RunningSandbox) -> None:
    with pytest.raises(NoSandboxError, match="TLS failed with") as caught:
        await sandbox_version(sandbox.url.replace("http://", "https://"))
    assert caught.value.advice == "if it is a sandbox without --tls, write http://"
    async with tls_sandbox() as (url, _):
        with pytest.raises(NoSandboxError, match="does not use HTTP") as caught:
            await sandbox_version(url.replace("https://", "http://"))
    assert "if it is a sandbox with --tls, write https://" in caught.value.advice


async def test_what_a_certificate_lacks_is_described(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with tls_sandbox() as (url, ca_pem):
        with pytest.raises(NoSandboxError, match="is not trusted") as caught:
            await sandbox_version(url)
        assert "set SSL_CERT_FILE" in caught.value.advice
        ca_file = tmp_path / "ca.pem"
        ca_file.write_bytes(ca_pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
        assert await sandbox_version(url) == __version__
        with pytest.raises(NoSandboxError, match=r"is not trusted .* mismatch") as caught:
            await sandbox_version(url.replace("127.0.0.1", "127.0.0.2"))
        assert "--allow-host 127.0.0.2" in caught.value.advice


async def test_an_address_that_cannot_be_used_is_described() -> None:
    with pytest.raises(NoSandboxError, match=r"nothing can be requested from http://127\.1:8765") as caught:
        await sandbox_version("http://127.1:8765")
    assert caught.value.advice == "write its address in full, such as 127.0.0.1"


async def test_a_port_where_nobody_listens_is_described() -> None:
    async with ScriptedServer() as server:
        url = server.url
    for hostname in ("127.0.0.1", "localhost"):  # the latter is more than one address
        with pytest.raises(NoSandboxError, match=r"\((Connection refused|no response in time)\)$"):
            await sandbox_version(url.replace("127.0.0.1", hostname))


@pytest.mark.parametrize("act", [respond(502, ""), respond(503, ""), close])
async def test_a_named_sandbox_may_start_later(scripted: ScriptedServer, act: Act) -> None:
    scripted.acts = [act, act]
    scripted.otherwise = respond(200, json.dumps(IDENTITY))
    assert await sandbox_version_when_started(scripted.url) == "1.2.3"


async def test_another_program_is_reported_at_once(scripted: ScriptedServer) -> None:
    with pytest.raises(NoSandboxError, match="is not a sandbox"):
        await sandbox_version_when_started(scripted.url)
    assert len(scripted.requests) == 1


async def test_proxies_are_not_used_for_this_machine(
    sandbox: RunningSandbox, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, scripted.url)
    assert await sandbox_version(sandbox.url) == __version__
    assert scripted.requests == []
