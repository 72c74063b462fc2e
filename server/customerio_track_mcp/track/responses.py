"""What an answer of the Track API means.

Documented are 200 with an empty object, 400 with `{"meta": {"errors": [...]}}` and 401. Met in practice are also
`{"meta": {"error": "..."}}`, 404, 429, 5xx, redirects between regions, and HTML from proxies in between.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

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
from customerio_track_mcp.track.validation.attributes import shorten

_VENDOR_TEXT_CHARACTERS = 300


def read_answer(response: httpx.Response, secrets: Collection[str]) -> dict[str, object]:
    """The JSON object of a confirming answer.

    Args:
        response: the answer.
        secrets: what must not be repeated, should somebody between send it back in an error.

    Raises:
        RequestFailedError: every other answer, as the subclass that says what it means.
    """
    status = response.status_code
    if response.is_success:
        body = _json_object(response)
        if body is None:
            raise RejectedError(
                f"something other than the Track API answered {status}: no JSON object confirms the request",
                status=status,
                outcome_unknown=True,
            )
        return body
    if response.is_redirect:
        raise _redirected(response)
    said = _vendor_text(response, secrets)
    if status == HTTPStatus.UNAUTHORIZED:
        raise UnauthorizedError(f"the Track API did not accept the credentials (401{said})", status=status)
    retry_after = _retry_after(response)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise RateLimitedError(
            f"the Track API takes no more requests for now (429{said})",
            status=status,
            retry_after=retry_after,
        )
    if status == HTTPStatus.REQUEST_TIMEOUT or response.is_server_error:
        raise UnavailableError(
            f"the Track API failed ({status}{said})",
            status=status,
            retry_after=retry_after,
            outcome_unknown=True,
        )
    raise RejectedError(f"the Track API rejected the request ({status}{said})", status=status)


def read_transport_error(error: httpx.RequestError) -> RequestFailedError:
    """What it means that no answer came at all."""
    why = shorten(str(error), 120)
    told = f"{type(error).__name__}: {why}" if why else type(error).__name__
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError):
        return UnavailableError(f"no connection to the Track API ({told})")
    if isinstance(error, httpx.NetworkError | httpx.TimeoutException | httpx.RemoteProtocolError | httpx.DecodingError):
        return UnavailableError(f"the connection to the Track API gave no answer ({told})", outcome_unknown=True)
    return RejectedError(f"the Track API can't be asked ({told})")


def _json_object(response: httpx.Response) -> dict[str, object] | None:
    try:
        body = json.loads(response.content or b"{}")
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _vendor_text(response: httpx.Response, secrets: Collection[str]) -> str:
    """The vendor's own error text, made short and printable; empty for anything but its JSON errors."""
    body = _json_object(response) or {}
    meta = body.get("meta")
    if not isinstance(meta, dict):
        return ""
    errors = meta.get("errors") or meta.get("error")
    told = [str(error) for error in errors] if isinstance(errors, list) else [str(errors)] if errors else []
    text = " ".join("; ".join(told).split())
    for secret in secrets:
        text = text.replace(secret, "[credentials]")
    return f": {shorten(text, _VENDOR_TEXT_CHARACTERS)}" if text else ""


def _redirected(response: httpx.Response) -> RedirectedError:
    location = response.headers.get("location", "")
    try:
        target = httpx.URL(location).host
    except (httpx.InvalidURL, ValueError):
        target = ""
    return RedirectedError(
        f"the Track API redirected to {shorten(target, 80) or 'an unnamed place'} ({response.status_code}), "
        "which is not followed",
        status=response.status_code,
        region=region_of(f"https://{target}"),
    )


def _retry_after(response: httpx.Response) -> float | None:
    """The seconds that `Retry-After` asks for, given in seconds or as a date (RFC 9110, section 10.2.3)."""
    asked = response.headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked)
    try:
        until = parsedate_to_datetime(asked)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
