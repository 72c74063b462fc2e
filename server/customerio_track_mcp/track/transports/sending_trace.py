"""When aiohttp sends the first byte of a request, and that it sends no request twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import aiohttp


class _Attempt(SimpleNamespace):
    """The state of a request in aiohttp, which creates one with the request's `trace_request_ctx`.

    Attributes:
        trace_request_ctx: called right before the first byte is sent.
        was_sent: whether that has happened.
    """

    trace_request_ctx: Callable[[], Awaitable[None]]
    was_sent = False


def create_sending_trace() -> aiohttp.TraceConfig:
    """Return what reports the first byte of a request, and prevents that aiohttp sends the request again.

    aiohttp retries idempotent requests on a dropped connection; retrying is RetryingSender's job. That can go when
    aiohttp's own retries can be switched off: https://github.com/aio-libs/aiohttp/issues/10790.
    """
    trace = aiohttp.TraceConfig(_Attempt)
    # An error of this event, which precedes a new connection, leaves nothing open.
    trace.on_connection_create_start.append(_refuse_resend)
    # This one precedes the first byte, and is the first after which aiohttp closes the connection if it raises an
    # error. (After `on_connection_reuseconn` it would forget the connection, and leave it open.)
    trace.on_request_headers_sent.append(_refuse_resend)
    trace.on_request_headers_sent.append(_report_sending)
    return trace


async def _refuse_resend(session: aiohttp.ClientSession, attempt: SimpleNamespace, params: object) -> None:
    del session, params
    if attempt.was_sent:
        raise aiohttp.ServerDisconnectedError


async def _report_sending(session: aiohttp.ClientSession, attempt: SimpleNamespace, params: object) -> None:
    del session, params
    attempt.was_sent = True
    await attempt.trace_request_ctx()
