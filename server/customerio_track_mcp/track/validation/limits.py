"""The limits that the vendor documents for the Track API v1, each in the documented unit.

The Track API validates little: beyond most of these limits it answers 200 and drops what it was sent, so they are
checked before sending. Bytes are bytes of UTF-8. Source: docs.customer.io, "Limits", and the Track API reference.
"""

from __future__ import annotations

from typing import Final

IDENTIFIER_BYTES: Final = 150
"""A person's identifier in a path: an id, an email address or a cio_id."""

EMAIL_BYTES: Final = 254
"""An email address. Not the vendor's figure but that of RFC 5321 (section 4.5.3.1.3, without the brackets)."""

ATTRIBUTE_NAME_BYTES: Final = 150

ATTRIBUTE_VALUE_BYTES: Final = 1000
"""An attribute's value: the bytes of a string; for any other value, the bytes of its JSON."""

ATTRIBUTES_PER_CALL: Final = 300
"""Attributes in one identify call, including `email` and `created_at`."""

EVENT_NAME_BYTES: Final = 100

EVENT_DATA_BYTES: Final = 100_000
"""An event's data, as the compact JSON that is sent."""

SEGMENT_IDS_PER_CALL: Final = 1000

SEGMENT_ID_MAX: Final = 2**31 - 1
"""`segment_id` is an int32 in the vendor's OpenAPI document."""
