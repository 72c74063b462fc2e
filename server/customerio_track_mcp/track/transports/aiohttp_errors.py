"""What aiohttp's errors mean, in httpx's terms."""

from __future__ import annotations

import os
import ssl
from typing import Final

import aiohttp
import httpx

from customerio_track_mcp.track.transports.pool_errors import PoolClosedError, PoolTimeoutError, WriteTimeoutError
from customerio_track_mcp.track.transports.response_handler import ResponseTooLongError

_CLOSED: Final = "the client is closed"


def to_httpx_error(
    error: aiohttp.ClientError | OSError | UnicodeError, total_seconds: float, request: httpx.Request | None = None
) -> httpx.TransportError:
    """Return httpx's error for one of aiohttp's, caused by that of TLS if there is one. No text contains the URL.

    Args:
        error: aiohttp's error.
        total_seconds: how long the request could take.
        request: the request, if it was one of httpx.
    """
    httpx_error = _without_cause(error, total_seconds, request)
    httpx_error.__cause__ = _tls_error_of(error)
    return httpx_error


def _tls_error_of(error: aiohttp.ClientError | OSError | UnicodeError) -> Exception | None:
    """Return the original error of a failed TLS handshake. Its text contains no URL."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        original: OSError = error.os_error
        return original
    return None


def _without_cause(
    error: aiohttp.ClientError | OSError | UnicodeError, total_seconds: float, request: httpx.Request | None
) -> httpx.TransportError:
    match error:
        case PoolTimeoutError():
            return httpx.PoolTimeout("", request=request)
        case PoolClosedError():
            return httpx.ConnectError(_CLOSED, request=request)
        case aiohttp.ConnectionTimeoutError():
            return httpx.ConnectTimeout("", request=request)
        case aiohttp.ServerTimeoutError():
            return httpx.ReadTimeout("", request=request)
        case aiohttp.ClientConnectorCertificateError():
            return httpx.ConnectError(str(error.certificate_error), request=request)
        case aiohttp.ClientConnectorError():
            return httpx.ConnectError(str(error.os_error), request=request)
        case UnicodeError():
            return httpx.ConnectError("invalid hostname", request=request)
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return httpx.UnsupportedProtocol("", request=request)
        case ResponseTooLongError():
            return httpx.RemoteProtocolError("the response is too long", request=request)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | aiohttp.ClientResponseError():
            return httpx.RemoteProtocolError(type(error).__name__, request=request)
        case WriteTimeoutError():
            return httpx.WriteTimeout("", request=request)
        case TimeoutError():
            text = f"no complete response in {total_seconds:g} seconds, connecting and sending included"
            return httpx.ReadTimeout(text, request=request)
        case ssl.SSLError():  # its `errno` is a number of OpenSSL's
            return httpx.ReadError(f"TLS: {error.reason}", request=request)
        case OSError(errno=int(number)) if number > 0:
            return httpx.ReadError(os.strerror(number), request=request)
        case _:
            return httpx.ReadError(type(error).__name__, request=request)
