"""The limits that the vendor documents for the Track API v1, each in the unit it is documented in.

The Track API checks little: over most of these limits it answers 200 and drops what it was sent. They are
therefore checked here, before anything is sent. Bytes are bytes of UTF-8. Source: docs.customer.io, "Limits"
and the Track API reference.
"""

from __future__ import annotations

from typing import Final

IDENTIFIER_BYTES: Final = 150
"""A person's identifier: an id, or whatever else stands in its place in a path."""

EMAIL_BYTES: Final = 254
"""An email address: not the vendor's own figure but that of RFC 5321 (section 4.5.3.1.3, less the brackets)."""

ATTRIBUTE_NAME_BYTES: Final = 150

ATTRIBUTE_VALUE_BYTES: Final = 1000
"""An attribute's value: a string's own bytes, any other value's bytes as JSON."""

ATTRIBUTES_PER_CALL: Final = 300
"""Attributes in one identify call, `email` and `created_at` among them."""

EVENT_NAME_BYTES: Final = 100

EVENT_DATA_BYTES: Final = 100_000
"""An event's data, as the compact JSON that is sent."""

SEGMENT_IDS_PER_CALL: Final = 1000

SEGMENT_ID_MAX: Final = 2**31 - 1
"""`segment_id` is an int32 in the vendor's OpenAPI document."""
