"""Read the bodies of requests, with bounds on their size, their time and the memory of all of them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Final

from aiohttp import web

from customerio_track_mcp.sandbox.bounds import (
    BODY_SECONDS,
    MAX_BODY_BYTES,
    MAX_LARGE_BODIES,
    MAX_SMALL_BODY_BYTES,
)


class BodyError(Exception):
    """A body was not received completely. The text is the reason.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status: Final = status


class BodyReader:
    """Reads bodies. Beyond a small size, a few of them are read at a time, and the others wait.

    Args:
        seconds: maximum time for one body, including the wait.
    """

    def __init__(self, seconds: float = BODY_SECONDS) -> None:
        self._seconds = seconds
        self._large = asyncio.Semaphore(MAX_LARGE_BODIES)

    async def read(self, request: web.Request, max_bytes: int = MAX_BODY_BYTES) -> bytes:
        """Return the complete body.

        Raises:
            BodyError: it is too large, was not received in time, or is not valid HTTP.
            ConnectionError: the client has left.
        """
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds), AsyncExitStack() as stack:
                is_large = (request.content_length or 0) > MAX_SMALL_BODY_BYTES
                if is_large:
                    await stack.enter_async_context(self._large)
                while chunk := await request.content.readany():
                    body += chunk
                    if len(body) > max_bytes:
                        raise BodyError(f"the body is too large: the maximum is {max_bytes} bytes", 413)
                    if len(body) > MAX_SMALL_BODY_BYTES and not is_large:
                        await stack.enter_async_context(self._large)
                        is_large = True
                return bytes(body)
        except TimeoutError:
            raise BodyError(f"the body was not received within {self._seconds:g} seconds", 408) from None
        except web.RequestPayloadError:
            raise BodyError("the body is not valid HTTP, or not encoded as its header says", 400) from None
