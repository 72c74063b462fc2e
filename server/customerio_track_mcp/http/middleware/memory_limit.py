"""A limit on the memory that requests in flight may take."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from customerio_track_mcp.http.caller_limits import CallerKey, CallerTotals, busy, caller_key
from customerio_track_mcp.lenient_json import MAX_ELEMENTS

_BYTES_PER_BODY_BYTE: Final = 10
"""Three copies of the body, which the middleware that limits its size and the SDK keep until the response, the text in
it with four bytes per character, as Python stores a text that contains one emoji, and the parts of it that the tools
copy. Measured: 8 with protocol 2025-11-25, and 11 for a moment with 2026-07-28."""

_BYTES_PER_ELEMENT: Final = 128
"""An object with one member, the largest element for its two marks, takes about 210. What is in its strings counts by
the body's bytes too. Measured: 34 for empty arrays, 160 for objects with two strings of four characters."""

_MARKS: Final = (b",", b"[", b"{", b"\\u002", b"\\u005", b"\\u007")
"""Commas and opening brackets, also escaped: a string may contain JSON, which tools parse. At least as many as the
elements, so that each chunk of a body can be counted by itself."""

_MIB: Final = 2**20


class _OverLimitError(Exception):
    """The request would take more memory than there is for it."""


class MemoryLimitMiddleware:
    """Limits the memory of requests in flight, per caller and in total; responds 429 to a request that exceeds it.

    The memory is estimated from a request's body as it is received, so a slow sender is charged only for what it has
    sent. The charge ends with the response. A request that is the only one is always accepted.

    Args:
        app: reads the complete body, whose size is limited, before it does anything else.
        max_bytes: of all requests in flight in this process.
        max_bytes_per_caller: of those of one caller, or of all callers together without authentication.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, max_bytes_per_caller: int) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_bytes_per_caller = max_bytes_per_caller
        self._charged = CallerTotals()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request."""
        caller = caller_key(scope)
        size = elements = charge = 0

        async def receive_charged() -> Message:
            nonlocal size, elements, charge
            message = await receive()
            if body := message.get("body"):
                size += len(body)
                elements += sum(map(body.count, _MARKS))
                # With more elements, the message is rejected before it is parsed.
                cost = size * _BYTES_PER_BODY_BYTE + min(elements, MAX_ELEMENTS) * _BYTES_PER_ELEMENT
                self._check(caller, charge, cost)
                self._charged.add(caller, cost - charge)
                charge = cost
            return message

        try:
            await self._app(scope, receive_charged, send)
        except _OverLimitError as error:
            await busy(str(error))(scope, receive, send)
        finally:
            self._charged.add(caller, -charge)

    def _check(self, caller: CallerKey, charged: int, cost: int) -> None:
        """Check that the other requests leave enough memory for one that has been charged `charged` and costs `cost`.

        Raises:
            _OverLimitError: they do not.
        """
        for others, limit, whose in (
            (self._charged.of(caller) - charged, self._max_bytes_per_caller, "the calls of this caller"),
            (self._charged.total - charged, self._max_bytes, "the calls"),
        ):
            if others and others + cost > limit:
                raise _OverLimitError(
                    f"with this one, {whose} in flight would take more than {limit // _MIB} MiB of memory, which is "
                    "the maximum"
                )
