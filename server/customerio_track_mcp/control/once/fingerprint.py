"""Which calls are identical: a keyed hash of the caller, their idempotency key and the event."""

from __future__ import annotations

import hmac
import json
from typing import Final

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.write import Write

_encode: Final = json.JSONEncoder(sort_keys=True).encode


class Fingerprints:
    """Hashes of events. They are equal for the same caller, key, person, name, type and data; no order of keys matters.

    Nothing that they are made of can be read from them, so they may be kept outside of the process.

    Args:
        key: the key of the HMAC. Processes with the same key agree on which calls are identical.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, write: Write, call: Call) -> bytes:
        """Return the 32 bytes for an event. They are computed once for a call.

        Args:
            write: an event.
            call: who sends it, with which key.
        """
        if not call.fingerprint:
            call.fingerprint = hmac.digest(self._key, _canonical(write, call).encode(), "sha256")
        return call.fingerprint


def _canonical(write: Write, call: Call) -> str:
    """Return what makes the event what it is, as JSON with sorted keys."""
    return _encode(
        (
            call.caller.identity,
            call.idempotency_key,
            write.person,
            write.event_name,
            write.event_type,
            write.event_data or None,
        )
    )
