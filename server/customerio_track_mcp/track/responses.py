"""What a response of the Track API, or the lack of one, means.

Documented are 200 with an empty object, 400 with `{"meta": {"errors": [...]}}` and 401. Seen in practice are also
`{"meta": {"error": "..."}}`, 404, 429, 5xx, redirects between regions, and HTML from proxies.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import httpx

from customerio_track_mcp.track.errors import (
    RateLimitedError,
    RedirectedError,
    RejectedError,
    RequestFailedError,
    UnauthorizedError,
    UnavailableError,
)
from customerio_track_mcp.track.regions import region_of
from customerio_track_mcp.track.validation.text import shorten

_MAX_VENDOR_TEXT_CHARACTERS: Final = 300
_MAX_TRANSPORT_ERROR_CHARACTERS: Final = 120
_MAX_HOSTNAME_CHARACTERS: Final = 80


def parse_response(response: httpx.Response, secrets: Collection[str]) -> dict[str, object]:
    """Return the JSON object of a response that confirms the request.

    Args:
        response: the response.
        secrets: what an error must not repeat, in case a proxy sends it back.

    Raises:
        RequestFailedError: the response does not confirm the request; the subclass says why.
    """
    status = response.status_code
    if response.is_success:
        body = _json_object(response)
        if body is None:
            raise RejectedError(
                f"the response ({status}) is not from the Track API: it contains no JSON object to confirm the request",
                status=status,
                outcome_unknown=True,
            )
        return body
    if response.is_redirect:
        raise _redirected(response)
    text = _vendor_text(response, secrets)
    if status == HTTPStatus.UNAUTHORIZED:
        raise UnauthorizedError(f"the Track API did not accept the credentials (401{text})", status=status)
    retry_after = _retry_after(response)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise RateLimitedError(
            f"the Track API accepts no more requests for now (429{text})", status=status, retry_after=retry_after
        )
    if status == HTTPStatus.REQUEST_TIMEOUT or response.is_server_error:
        raise UnavailableError(
            f"the Track API failed ({status}{text})",
            status=status,
            retry_after=retry_after,
            outcome_unknown=True,
        )
    raise RejectedError(f"the Track API rejected the request ({status}{text})", status=status)


def parse_transport_error(error: httpx.RequestError) -> RequestFailedError:
    """Return what it means that no response was received."""
    reason = shorten(str(error), _MAX_TRANSPORT_ERROR_CHARACTERS)
    detail = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError):
        return UnavailableError(f"no connection to the Track API ({detail})")
    if isinstance(error, httpx.NetworkError | httpx.TimeoutException | httpx.RemoteProtocolError | httpx.DecodingError):
        return UnavailableError(f"no response from the Track API ({detail})", outcome_unknown=True)
    return RejectedError(f"the request to the Track API cannot be made ({detail})")


def _json_object(response: httpx.Response) -> dict[str, object] | None:
    try:
        body = json.loads(response.content or b"{}")
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _vendor_text(response: httpx.Response, secrets: Collection[str]) -> str:
    """Return the vendor's own error text, short and printable; empty for anything but its JSON errors."""
    body = _json_object(response) or {}
    meta = body.get("meta")
    if not isinstance(meta, dict):
        return ""
    errors = meta.get("errors") or meta.get("error")
    lines = [str(error) for error in errors] if isinstance(errors, list) else [str(errors)] if errors else []
    text = " ".join("; ".join(lines).split())
    for secret in secrets:
        text = text.replace(secret, "[credentials]")
    return f": {shorten(text, _MAX_VENDOR_TEXT_CHARACTERS)}" if text else ""


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
