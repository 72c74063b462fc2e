"""The sandbox as a whole: what it imports, and how it stops."""

from __future__ import annotations

import ast
import asyncio
import ssl
from pathlib import Path
from typing import Any

import anyio
import httpx
import psutil
import pytest

import customerio_track_mcp.sandbox
from customerio_track_mcp.sandbox import CertificateError, run_sandbox


def test_sandbox_imports_nothing_from_the_rest_of_the_package() -> None:
    folder = Path(customerio_track_mcp.sandbox.__file__).parent
    imported = {
        node.module or ""
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
    }
    from_package = {name for name in imported if name.startswith("customerio_track_mcp")}
    assert from_package
    assert all(name.startswith("customerio_track_mcp.sandbox") for name in from_package)


async def test_open_page_does_not_delay_shutdown() -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        async with run_sandbox() as sandbox:
            stream = await client.send(client.build_request("GET", f"{sandbox.url}/_sandbox/changes"), stream=True)
        with anyio.fail_after(30):
            assert "event: state" in (await stream.aread()).decode()


@pytest.mark.parametrize("tls", [False, True])
async def test_client_that_keeps_its_connection_does_not_keep_a_socket_after_the_end(tls: bool) -> None:
    async with run_sandbox(tls=tls) as sandbox:
        verify = ssl.create_default_context(cafile=sandbox.ca_file) if sandbox.ca_file else False
        client = httpx.AsyncClient(base_url=sandbox.url, verify=verify, trust_env=False)
        assert (await client.get("/_sandbox")).is_success
        sockets = [connection.laddr.port for connection in connections()]
        assert sockets.count(sandbox.port) == 2  # the listener and the connection
    assert sandbox.port not in [connection.laddr.port for connection in connections()]
    await client.aclose()


def connections() -> list[Any]:
    """Return the TCP sockets that this process has open."""
    return [entry for entry in psutil.Process().net_connections("tcp") if entry.status != psutil.CONN_TIME_WAIT]


async def test_tls_serves_https_with_the_names_of_the_host() -> None:
    async with run_sandbox(tls=True, allowed_hosts=["track-sandbox"]) as sandbox:
        assert sandbox.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=sandbox.ca_file)
        for name in ("127.0.0.1", "localhost", "track-sandbox"):
            _, writer = await asyncio.open_connection(sandbox.host, sandbox.port, ssl=context, server_hostname=name)
            writer.transport.abort()
    assert sandbox.ca_file is not None
    assert not sandbox.ca_file.parent.exists()


async def test_hostname_that_no_certificate_can_contain_prevents_the_start() -> None:
    with pytest.raises(CertificateError, match="cannot contain this hostname"):
        async with run_sandbox(tls=True, allowed_hosts=["my_sandbox"]):
            pass
