"""Read the body of a response, up to what a body of the Track API can have."""

from __future__ import annotations

from typing import Final, cast

import httpx

from customerio_track_mcp.track.transports.response_limits import MAX_BODY_BYTES

_IDENTITY: Final = ("", "identity")


class UnreadableBodyError(Exception):
    """A body cannot be read. The text says why, in words that follow "its body"."""


async def read_body(response: httpx.Response) -> bytes:
    """Return the body of `response`, and close it.

    It is never decoded, since a few kilobytes can become gigabytes; requests ask for no encoding
    (`Accept-Encoding: identity`).

    Raises:
        UnreadableBodyError: it is encoded, or longer than `MAX_BODY_BYTES`. The connection is closed.
        httpx.RequestError: it was not received completely.
    """
    stream = cast("httpx.AsyncByteStream", response.stream)
    try:
        if "content-encoding" in response.headers:
            encoding = response.headers["content-encoding"].strip().lower()
            if encoding not in _IDENTITY:
                raise UnreadableBodyError("has a content encoding that was not requested")
        content = b""
        async for chunk in stream:
            content = content + chunk if content else chunk
            if len(content) > MAX_BODY_BYTES:
                raise UnreadableBodyError(f"is longer than {MAX_BODY_BYTES} bytes")
        return content
    finally:
        await stream.aclose()
