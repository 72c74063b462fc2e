"""The HTTP session that exports spans: what it receives of a collector's response."""

from __future__ import annotations

import io
from typing import Final

import requests
import urllib3

_MAX_BODY_BYTES: Final = 4096
"""Of a body that is read, so that the connection can be used again. Collectors send a message of a few bytes."""


def collector_session() -> requests.Session:
    """Return a session that discards the bodies of responses.

    The exporter needs the status alone, but requests would read and decode a body of any size.
    """
    session = requests.Session()
    session.hooks["response"].append(_discard_body)
    return session


def _discard_body(response: requests.Response, **options: object) -> None:
    del options
    length = response.raw.length_remaining  # None if only the end of the body shows it
    try:
        if length is not None and length <= _MAX_BODY_BYTES:
            response.raw.read(decode_content=False)
    except urllib3.exceptions.HTTPError:
        pass  # the status was received all the same
    finally:
        response.close()
        response.raw = io.BytesIO()
