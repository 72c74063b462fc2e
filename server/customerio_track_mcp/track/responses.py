"""What a response of the Track API means.

Documented are 200 with an empty object, 400 with `{"meta": {"errors": [...]}}` and 401. Seen in practice are also
`{"meta": {"error": "..."}}`, 404, 429, 5xx, redirects between regions, and HTML from proxies and firewalls.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from customerio_track_mcp.track.errors import (
    InterceptedError,
    RateLimitedError,
    RedirectedError,
    RejectedError,
    UnauthorizedError,
    UnavailableError,
)
from customerio_track_mcp.track.printable import shorten
from customerio_track_mcp.track.regions import region_of
from customerio_track_mcp.track.response_body import UnreadableBodyError
from customerio_track_mcp.track.transports.base import Response

_SUCCESS, _REDIRECTION, _CLIENT_ERROR, _SERVER_ERROR = 2, 3, 4, 5
"""The first digit of a status (RFC 9110, section 15)."""
_NO_JSON_OBJECT: Final = "it contains no JSON object to confirm the request"
_MAX_VENDOR_TEXT_CHARACTERS: Final = 300
_QUOTATION_MARKS: Final = dict.fromkeys(map(ord, '"\u201c\u201d\u201e\u201f\u2033\u2036\u301d\u301e\u301f\uff02'), "'")
_MAX_HOSTNAME_CHARACTERS: Final = 80
_OF_PROXIES: Final = (HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED)
"""Statuses that, by their definition, no origin server sends."""


def parse_response(response: Response, secrets: Collection[str]) -> dict[str, object]:
    """Return the JSON object of a response that confirms the request.

    A 2xx confirms nothing if its body cannot be read, or is empty and ends with the connection, since the rest may be
    missing; a JSON object is complete whatever ends it. An error means the same without its body, except that it may
    not be the Track API's. A status that is none of HTTP, or that is not a final one, leaves the outcome unknown
    (RFC 9110, section 15: such a response is treated as 5xx).

    Args:
        response: the response, complete or with an unreadable body.
        secrets: what an error must not repeat, in case a proxy sends it back.

    Raises:
        RequestFailedError: the response does not confirm the request; the subclass says why.
    """
    status, content = response.status, response.content
    status_class = status // 100
    body = _json_object(content)
    if status_class == _SUCCESS:
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
    if status_class == _REDIRECTION:
        raise _redirected(response)
    if status_class not in (_CLIENT_ERROR, _SERVER_ERROR):
        raise UnavailableError(f"the response has an invalid status ({status})", status=status, outcome_unknown=True)
    text = _vendor_text(body, secrets)
    known = _is_error_of_the_track_api(status, content, body)
    sender = "the Track API" if known else "the Track API or something in front of it"
    retry_after = _retry_after(response)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise RateLimitedError(
            f"{sender} accepts no more requests for now (429{text})", status=status, retry_after=retry_after
        )
    if status == HTTPStatus.REQUEST_TIMEOUT or (status_class == _SERVER_ERROR and status not in _OF_PROXIES):
        raise UnavailableError(
            f"{sender} failed ({status}{text})",
            status=status,
            retry_after=retry_after,
            outcome_unknown=True,
        )
    if status == HTTPStatus.UNAUTHORIZED and (known or not _is_html(response)):
        raise UnauthorizedError(f"{sender} did not accept the credentials (401{text})", status=status)
    if not known:
        raise InterceptedError(
            f"the response ({status}) is not in the Track API's format: something in between, such as a proxy or a "
            "firewall, seems to have sent it",
            status=status,
        )
    raise RejectedError(f"the Track API rejected the request ({status}{text})", status=status)


def _may_be_cut_off(response: Response) -> bool:
    """Return whether nothing but the end of the connection ends the body of `response`."""
    headers = response.headers
    return (
        response.status != HTTPStatus.NO_CONTENT
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


def _is_html(response: Response) -> bool:
    content = response.content
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


def _redirected(response: Response) -> RedirectedError:
    import httpx

    location = response.headers.get("location", "")
    try:
        hostname = httpx.URL(location).host
    except (httpx.InvalidURL, ValueError):
        hostname = ""
    target = shorten(hostname, _MAX_HOSTNAME_CHARACTERS) or "an invalid location"
    return RedirectedError(
        f"the Track API redirected to {target} ({response.status}); redirects are not followed",
        status=response.status,
        region=region_of(f"https://{hostname}"),
    )


def _retry_after(response: Response) -> float | None:
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
