"""Read the body of a response, up to what a body of the Track API can have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from customerio_track_mcp.track.transports.response_limits import MAX_BODY_BYTES

if TYPE_CHECKING:
    import httpx

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
    content = b""
    try:
        require_readable(response.headers, content)
        async for chunk in stream:
            content = content + chunk if content else chunk
            require_readable(response.headers, content)
        return content
    finally:
        await stream.aclose()


def require_readable(headers: Mapping[str, str], content: bytes) -> None:
    """Check what was received of a body.

    Raises:
        UnreadableBodyError: it is encoded, or longer than `MAX_BODY_BYTES`.
    """
    if "content-encoding" in headers and headers["content-encoding"].strip().lower() not in _IDENTITY:
        raise UnreadableBodyError("has a content encoding that was not requested")
    if len(content) > MAX_BODY_BYTES:
        raise UnreadableBodyError(f"is longer than {MAX_BODY_BYTES} bytes")


def readable_body(headers: Mapping[str, str], content: bytes) -> bytes | UnreadableBodyError:
    """Return a body that was received, or why it cannot be read."""
    try:
        require_readable(headers, content)
    except UnreadableBodyError as error:
        return error
    return content
