"""A caller's own key for what is intended: the event id is derived from it, so nothing is stored."""

from __future__ import annotations

import hmac
import math
from collections.abc import Mapping
from typing import Final

from ulid import ULID

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.chain import Send
from customerio_track_mcp.control.once.event_id import use_event_id
from customerio_track_mcp.control.once.fingerprint import Fingerprints
from customerio_track_mcp.control.write import Write
from customerio_track_mcp.track import InvalidArgumentsError, Problem, Receipt

IDEMPOTENCY_KEY: Final = "customerio-track-mcp/idempotency-key"
"""The member of a call's `_meta` that contains the key."""
IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
"""The HTTP header that contains it; that of draft-ietf-httpapi-idempotency-key-header."""
MAX_KEY_CHARACTERS: Final = 255

_LABEL: Final = b"event id"
_ULID_BYTES: Final = 16


class IdempotencyKeys:
    """Derives the id of an event from the caller's key, the caller and the arguments.

    The same key with the same arguments is the same event in every process, also after a restart. The same key with
    other arguments is another event.
    """

    def __init__(self, fingerprints: Fingerprints) -> None:
        self._fingerprints = fingerprints

    async def __call__(self, write: Write, call: Call, proceed: Send) -> Receipt | None:
        """Send an event with the id that its key stands for."""
        if call.idempotency_key and write.request.event_id is not None:
            write = use_event_id(write, call, event_id_of(self._fingerprints.of(write, call)))
            call.same_event_seconds = math.inf
        return await proceed(write, call)


def event_id_of(fingerprint: bytes) -> str:
    """Return the event id that a call with an idempotency key has: an HMAC of its fingerprint, 128 bits, as a ULID.

    The time in this ULID is not one.
    """
    return str(ULID(hmac.digest(fingerprint, _LABEL, "sha256")[:_ULID_BYTES]))


def read_idempotency_key(meta: Mapping[str, object] | None, header: str | None) -> str:
    """Return the key of a call; empty if there is none.

    Args:
        meta: the `_meta` of the call. Its key is used if there are two.
        header: the value of the HTTP header; None if there is none.

    Raises:
        InvalidArgumentsError: the key is not text, blank or too long.
    """
    key, name = (meta or {}).get(IDEMPOTENCY_KEY), f"_meta.{IDEMPOTENCY_KEY}"
    if key is None:
        if header is None:
            return ""
        key, name = _unquote(header), IDEMPOTENCY_HEADER
    if not isinstance(key, str):
        problem = "must be a string"
    elif not key.strip():
        problem = "is blank; omit it, or pass a text that stands for this one event"
    elif len(key) > MAX_KEY_CHARACTERS:
        problem = f"is {len(key)} characters long; the maximum is {MAX_KEY_CHARACTERS}"
    else:
        return key
    raise InvalidArgumentsError([Problem(name, problem)])


def _unquote(value: str) -> str:
    """Return the text of a string of RFC 9651, which is quoted; any other value as it is."""
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return value
