"""The keyed hash by which logs name a person."""

from __future__ import annotations

import hmac


def pseudonym(key: bytes, identifier: str) -> str:
    """Return 16 hexadecimal digits of the HMAC of an identifier: the same for the same key and identifier.

    Args:
        key: without it, nobody can find out whether a known identifier is in a log.
        identifier: of a person.
    """
    return hmac.digest(key, identifier.encode(), "sha256").hex()[:16]
