"""What a response of the Track API, or the lack of one, means.

Documented are 200 with an empty object, 400 with `{"meta": {"errors": [...]}}` and 401. Seen in practice are also
`{"meta": {"error": "..."}}`, 404, 429, 5xx, redirects between regions, and HTML from proxies and firewalls.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import httpx

from customerio_track_mcp.track.errors import (
    InterceptedError,
    ProxyRefusedError,
    RateLimitedError,
    RedirectedError,
    RejectedError,
    RequestFailedError,
    TlsError,
    UnauthorizedError,
    UnavailableError,
    UntrustedCertificateError,
)
from customerio_track_mcp.track.printable import shorten
from customerio_track_mcp.track.regions import region_of
from customerio_track_mcp.track.response_body import UnreadableBodyError

_INCOMPATIBLE_TLS: Final = re.compile(
    "WRONG_VERSION|PROTOCOL|HANDSHAKE_FAILURE|NO_SHARED_CIPHER|HTTP_REQUEST|HTTPS_PROXY_REQUEST"
)
"""Reasons of OpenSSL that another attempt would not change."""

_NO_JSON_OBJECT: Final = "it contains no JSON object to confirm the request"
_MAX_VENDOR_TEXT_CHARACTERS: Final = 300
_QUOTATION_MARKS: Final = dict.fromkeys(map(ord, '"\u201c\u201d\u201e\u201f\u2033\u2036\u301d\u301e\u301f\uff02'), "'")
_MAX_TRANSPORT_ERROR_CHARACTERS: Final = 120
_RECEIVED_BYTES: Final = re.compile(r""": (?:bytearray\()?b['"].*""", re.DOTALL)
"""How an error of h11, httpx's HTTP parser, ends if it quotes what was received."""
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}
_MAX_HOSTNAME_CHARACTERS: Final = 80
_OF_PROXIES: Final = (HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED)
"""Statuses that, by their definition, no origin server sends."""
_CONNECT_FAILURES_TO_RETRY: Final = (408, 425, 429, 500, 502, 503, 504)


def parse_response(
    response: httpx.Response, content: bytes | UnreadableBodyError, secrets: Collection[str]
) -> dict[str, object]:
    """Return the JSON object of a response that confirms the request.

    A 2xx confirms nothing if its body cannot be read, or is empty and ends with the connection, since the rest may be
    missing; a JSON object is complete whatever ends it. An error means the same without its body, except that it may
    not be the Track API's. A status that is none of HTTP, or that is not a final one, leaves the outcome unknown
    (RFC 9110, section 15: such a response is treated as 5xx).

    Args:
        response: the response's status and headers.
        content: its body, or why that cannot be read.
        secrets: what an error must not repeat, in case a proxy sends it back.

    Raises:
        RequestFailedError: the response does not confirm the request; the subclass says why.
    """
    status = response.status_code
    body = _json_object(content)
    if response.is_success:
        if body is None:
            defect = f"its body {content}" if isinstance(content, UnreadableBodyError) else _NO_JSON_OBJECT
            raise InterceptedError(
                f"the response ({status}) is not from the Track API: {defect}", status=status, outcome_unknown=True
            )
        if not content and _may_be_cut_off(response):
            raise UnavailableError(
                f"the connection ended after the head of a response ({status}), which confirms nothing without a body",
                status=status,
                outcome_unknown=True,
            )
        return body
    if response.is_redirect:
        raise _redirected(response)
    if not response.is_error:
        raise UnavailableError(f"the response has an invalid status ({status})", status=status, outcome_unknown=True)
    text = _vendor_text(body, secrets)
    known = _is_error_of_the_track_api(status, content, body)
    sender = "the Track API" if known else "the Track API or something in front of it"
    retry_after = _retry_after(response)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise RateLimitedError(
            f"{sender} accepts no more requests for now (429{text})", status=status, retry_after=retry_after
        )
    if status == HTTPStatus.REQUEST_TIMEOUT or (response.is_server_error and status not in _OF_PROXIES):
        raise UnavailableError(
            f"{sender} failed ({status}{text})",
            status=status,
            retry_after=retry_after,
            outcome_unknown=True,
        )
    if status == HTTPStatus.UNAUTHORIZED and (known or not _is_html(response, content)):
        raise UnauthorizedError(f"{sender} did not accept the credentials (401{text})", status=status)
    if not known:
        raise InterceptedError(
            f"the response ({status}) is not in the Track API's format: something in between, such as a proxy or a "
            "firewall, seems to have sent it",
            status=status,
        )
    raise RejectedError(f"the Track API rejected the request ({status}{text})", status=status)


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


def _may_be_cut_off(response: httpx.Response) -> bool:
    """Return whether nothing but the end of the connection ends the body of `response`."""
    headers = response.headers
    return (
        response.status_code != HTTPStatus.NO_CONTENT
        and "content-length" not in headers
        and not headers.get("transfer-encoding", "").lower().endswith("chunked")
    )


def _json_object(content: bytes | UnreadableBodyError) -> dict[str, object] | None:
    if isinstance(content, UnreadableBodyError):
        return None
    try:
        body = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _is_error_of_the_track_api(
    status: int, content: bytes | UnreadableBodyError, body: Mapping[str, object] | None
) -> bool:
    """Return whether a response with an error status is in the Track API's format: `{"meta": ...}`, or `{}`."""
    if status in _OF_PROXIES or not content:
        return False
    return body is not None and (not body or "meta" in body)


def _is_html(response: httpx.Response, content: bytes | UnreadableBodyError) -> bool:
    is_declared: bool = response.headers.get("content-type", "").startswith("text/html")
    if isinstance(content, UnreadableBodyError):
        return is_declared
    return bool(content) and (is_declared or content.lstrip().startswith(b"<"))


def _vendor_text(body: Mapping[str, object] | None, secrets: Collection[str]) -> str:
    """Return a quotation of the vendor's own error text, short and printable; empty for anything but its JSON errors.

    No character in it can end the quotation, so a model cannot take it for this package's advice.
    """
    meta = (body or {}).get("meta")
    if not isinstance(meta, dict):
        return ""
    errors = meta.get("errors") or meta.get("error")
    lines = [str(error) for error in errors] if isinstance(errors, list) else [str(errors)] if errors else []
    text = " ".join("; ".join(lines).split()).translate(_QUOTATION_MARKS)
    for secret in secrets:
        text = re.sub(re.escape(secret), "[credentials]", text, flags=re.IGNORECASE)
    return f'; Customer.io responded: "{shorten(text, _MAX_VENDOR_TEXT_CHARACTERS)}"' if text else ""


def _redirected(response: httpx.Response) -> RedirectedError:
    location = response.headers.get("location", "")
    try:
        hostname = httpx.URL(location).host
    except (httpx.InvalidURL, ValueError):
        hostname = ""
    target = shorten(hostname, _MAX_HOSTNAME_CHARACTERS) or "an invalid location"
    return RedirectedError(
        f"the Track API redirected to {target} ({response.status_code}); redirects are not followed",
        status=response.status_code,
        region=region_of(f"https://{hostname}"),
    )


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds in `Retry-After`, which has seconds or a date (RFC 9110, section 10.2.3)."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
