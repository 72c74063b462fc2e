"""What it means that a transport received no response, by httpx's error for it."""

from __future__ import annotations

import re
import ssl
from http import HTTPStatus
from typing import Final

import httpx

from customerio_track_mcp.track.errors import (
    ProxyRefusedError,
    RejectedError,
    RequestFailedError,
    TlsError,
    UnavailableError,
    UntrustedCertificateError,
)
from customerio_track_mcp.track.printable import shorten

_INCOMPATIBLE_TLS: Final = re.compile(
    "WRONG_VERSION|PROTOCOL|HANDSHAKE_FAILURE|NO_SHARED_CIPHER|HTTP_REQUEST|HTTPS_PROXY_REQUEST"
)
"""Reasons of OpenSSL that another attempt would not change."""

_MAX_TRANSPORT_ERROR_CHARACTERS: Final = 120
_RECEIVED_BYTES: Final = re.compile(r""": (?:bytearray\()?b['"].*""", re.DOTALL)
"""How an error of h11, httpx's HTTP parser, ends if it quotes what was received."""
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}
_CONNECT_FAILURES_TO_RETRY: Final = (408, 425, 429, 500, 502, 503, 504)


def parse_transport_error(error: httpx.RequestError) -> RequestFailedError:
    """Return what it means that no response was received. It repeats nothing that was received."""
    reason = _reason(error)
    detail = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
    tls_error = _tls_error_in(error)
    if isinstance(tls_error, ssl.SSLCertVerificationError):
        reason = shorten(tls_error.verify_message, _MAX_TRANSPORT_ERROR_CHARACTERS)
        return UntrustedCertificateError(f"no connection to the Track API (certificate verify failed: {reason})")
    if tls_error is not None and _INCOMPATIBLE_TLS.search(tls_error.reason or ""):
        return TlsError(f"no connection to the Track API (TLS failed: {tls_error.reason})")
    if isinstance(error, httpx.ProxyError) and not _may_connect_later(error):
        return ProxyRefusedError(f"the proxy refused to connect to the Track API ({reason})")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError):
        return UnavailableError(f"no connection to the Track API ({detail})")
    if isinstance(error, httpx.NetworkError | httpx.TimeoutException | httpx.RemoteProtocolError | httpx.DecodingError):
        return UnavailableError(f"no response from the Track API ({detail})", outcome_unknown=True)
    return RejectedError(f"the request to the Track API cannot be made ({detail})")


def _tls_error_in(error: httpx.RequestError) -> ssl.SSLError | None:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        # httpcore's pool raises its errors `from None`, but each has the original one as its argument.
        original = cause.args[0] if cause.args and isinstance(cause.args[0], BaseException) else None
        cause = cause.__cause__ or original
    return cause


def _reason(error: httpx.RequestError) -> str:
    """Return the text of a transport error without words of the other side, which could be instructions to a model."""
    if (status := _proxy_status(error)) is not None:
        return f"{status} {_PHRASES.get(status, '')}".rstrip()
    return shorten(_RECEIVED_BYTES.sub("", str(error)), _MAX_TRANSPORT_ERROR_CHARACTERS)


def _proxy_status(error: httpx.RequestError) -> int | None:
    """Return the status with which a proxy refused to connect; None for another failure.

    It is known only from the text, which also contains the reason phrase as the proxy wrote it:
    https://github.com/encode/httpcore/blob/1.0.9/httpcore/_async/http_proxy.py#L303
    """
    status = str(error).partition(" ")[0]
    return int(status) if isinstance(error, httpx.ProxyError) and re.fullmatch("[0-9]{3}", status) else None


def _may_connect_later(error: httpx.ProxyError) -> bool:
    """Return whether a proxy that refused to connect may connect soon."""
    status = _proxy_status(error)
    return status is None or status in _CONNECT_FAILURES_TO_RETRY
