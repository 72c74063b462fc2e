"""Post reports to a sandbox, over connections on which it has identified itself."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Final, Self

import httpx

from customerio_track_mcp.track import named_certificates
from customerio_track_mcp.upstream import SANDBOX_NAME

_TIMEOUT: Final = 2.0
"""Seconds for a request, from the connection to the end of the response."""
_MAX_RESPONSE_BYTES: Final = 2**16
_CONNECTING: Final = "connection.connect_tcp.started"
"""httpcore reports it to a request's `trace` before it opens a connection."""


class NoSandboxError(Exception):
    """No sandbox responds. The report was not sent."""


class RejectedReportError(Exception):
    """The sandbox does not accept a report."""


class _NoConnectionError(Exception):
    """A report needs a new connection, on which nobody has identified themselves yet."""


class SandboxConnection:
    """One connection to a sandbox, opened when it is needed and again when it was closed.

    Whatever listens at the sandbox's address after a restart must say that it is a sandbox before it gets a report,
    which contains personal data. Proxies of the environment and redirects are not followed.

    Args:
        base_url: the sandbox's base URL.

    Raises:
        OSError: certificates that the environment names cannot be read.
    """

    def __init__(self, base_url: str) -> None:
        self._url = base_url.rstrip("/")
        self._certificates = _trusted_certificates(self._url)
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()

    async def post(self, report: bytes) -> None:
        """Post a report.

        Raises:
            NoSandboxError: it was not sent, since no sandbox responds.
            RejectedReportError: the sandbox does not accept it.
            httpx.TransportError: it was sent, and the sandbox may have received it.
            TimeoutError: likewise.
        """
        try:
            status = await _post(self._client or await self._open(), report)
        except _NoConnectionError:
            try:
                status = await _post(await self._open(), report)
            except _NoConnectionError:
                raise NoSandboxError("it closes the connection after each response") from None
        if status != httpx.codes.OK:
            raise RejectedReportError(f"status {status}")

    async def _open(self) -> httpx.AsyncClient:
        """Return a client with a connection to the sandbox. A connection to anything else is closed.

        Raises:
            NoSandboxError: no sandbox responds.
        """
        await self._close()
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=self._url,
                    verify=self._certificates,
                    trust_env=False,
                    timeout=None,  # noqa: S113 - `_send` has one for all parts of a request
                    limits=httpx.Limits(max_connections=1),
                    headers={"Accept-Encoding": "identity"},
                )
            )
            await _require_sandbox(client)
            stack.pop_all()  # it stays open
        self._client = client
        return client

    async def _close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()


async def _require_sandbox(client: httpx.AsyncClient) -> None:
    try:
        status, body = await _send(client, "GET", "/_sandbox")
        identity = json.loads(body)
    except (httpx.HTTPError, TimeoutError, ValueError, RecursionError) as error:
        raise NoSandboxError(type(error).__name__) from error
    if status != httpx.codes.OK or not isinstance(identity, dict) or identity.get("name") != SANDBOX_NAME:
        raise NoSandboxError("it does not identify itself as a sandbox")


async def _post(client: httpx.AsyncClient, report: bytes) -> int:
    options = {"headers": {"Content-Type": "application/json"}, "extensions": {"trace": _refuse_to_connect}}
    status, _ = await _send(client, "POST", "/_sandbox/calls", content=report, **options)
    return status


async def _refuse_to_connect(event: str, info: Mapping[str, Any]) -> None:
    del info
    if event == _CONNECTING:
        raise _NoConnectionError


async def _send(client: httpx.AsyncClient, method: str, path: str, **options: Any) -> tuple[int, bytes]:
    """Return the status and the body of the response, of which at most the beginning is read."""
    async with asyncio.timeout(_TIMEOUT), client.stream(method, path, **options) as response:
        body = b""
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _MAX_RESPONSE_BYTES:
                break  # the connection is closed
        return response.status_code, body


def _trusted_certificates(url: str) -> ssl.SSLContext:
    """Return what the client of the Track API trusts, too; for http nothing, so that no certificates are loaded."""
    if httpx.URL(url).scheme == "https":
        return named_certificates() or httpx.create_ssl_context()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
