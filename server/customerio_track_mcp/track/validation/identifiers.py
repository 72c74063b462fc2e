"""Who a request is about: ids, email addresses, cio_ids and segment ids.

The Track API tells an id, an email address and a `cio_`-prefixed cio_id apart by their shape alone, and answers
200 to an identifier that it can't use. So a shape that can't be meant is told here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from customerio_track_mcp.track.errors import Problem
from customerio_track_mcp.track.validation.limits import (
    EMAIL_BYTES,
    IDENTIFIER_BYTES,
    SEGMENT_ID_MAX,
    SEGMENT_IDS_PER_CALL,
)

# Deliberately loose: Customer.io takes internal domains, plus-addresses and non-ASCII mailboxes. Only what no
# mail system could mean is refused: white space, RFC 5322's specials outside quotes, a missing half.
_EMAIL = re.compile(
    r"""[^\s\x00-\x1f\x7f()<>\[\]:;\\,"@]+      # mailbox
        @
        [^\s\x00-\x1f\x7f()<>\[\]:;\\,"@.]+     # first label of the domain
        (?:\.[^\s\x00-\x1f\x7f()<>\[\]:;\\,"@.]+)*
    """,
    re.VERBOSE,
)
_CIO_ID = re.compile(r"(?:cio_)?[A-Za-z0-9]+")
_DIGITS = re.compile(r"[0-9]+")


class IdType(StrEnum):
    """What the values of a segment call's `ids` are: all of them of the one type."""

    ID = "id"
    EMAIL = "email"
    CIO_ID = "cio_id"


def is_email(text: str) -> bool:
    """Whether `text` has the shape of an email address, at internal domains and with non-ASCII letters too."""
    return _EMAIL.fullmatch(text) is not None


def utf8_size(text: str) -> int | None:
    """The bytes of `text` in UTF-8; None where it holds a lone surrogate, which UTF-8 can't carry."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return None


def text_problems(parameter: str, text: str, most_bytes: int) -> list[Problem]:
    """What is wrong with `text` where it has to be neither blank nor over `most_bytes` bytes of UTF-8."""
    if not text.strip():
        return [Problem(parameter, f"is blank; 1 to {most_bytes} bytes of text are allowed")]
    size = utf8_size(text)
    if size is None:
        return [Problem(parameter, "holds a lone surrogate, which is no character; send valid Unicode text")]
    if size > most_bytes:
        return [Problem(parameter, f"is {size} bytes long; at most {most_bytes} bytes of UTF-8 are allowed")]
    return []


def identifier_problems(parameter: str, identifier: str) -> list[Problem]:
    """What is wrong with `identifier` in a request's path: an id, an email address or `cio_` and a cio_id."""
    if identifier in (".", ".."):
        return [Problem(parameter, f"is {identifier!r}, which a URL path can't carry; use the person's real id")]
    return text_problems(parameter, identifier, IDENTIFIER_BYTES)


def email_problems(parameter: str, email: str) -> list[Problem]:
    """What is wrong with `email` as an email address."""
    if problems := text_problems(parameter, email, EMAIL_BYTES):
        return problems
    if not is_email(email):
        return [Problem(parameter, "is no email address; send one address alone, such as ann@example.com")]
    return []


def segment_id_problems(parameter: str, segment_id: str) -> list[Problem]:
    """What is wrong with `segment_id`, the digits of an int32 above 0."""
    # The length is asked first: Python refuses to read thousands of digits as an integer.
    if _DIGITS.fullmatch(segment_id) and len(segment_id) <= 20 and 1 <= int(segment_id) <= SEGMENT_ID_MAX:
        return []
    return [
        Problem(
            parameter,
            f"is no segment id; allowed are the digits of a whole number from 1 to {SEGMENT_ID_MAX}, "
            "as the segment's page in Customer.io shows it",
        )
    ]


def segment_member_problems(parameter: str, ids: Sequence[str], id_type: IdType) -> list[Problem]:
    """What is wrong with `ids` as people to put into a segment: their number, and each one's shape.

    The Track API ignores values that do not match `id_type` without a word.
    """
    if not 1 <= len(ids) <= SEGMENT_IDS_PER_CALL:
        return [Problem(parameter, f"holds {len(ids)} ids; 1 to {SEGMENT_IDS_PER_CALL} ids are allowed in one call")]
    problems: list[Problem] = []
    for index, member in enumerate(ids):
        place = f"{parameter}[{index}]"
        if id_type is IdType.EMAIL:
            problems += email_problems(place, member)
        elif blank_or_long := text_problems(place, member, IDENTIFIER_BYTES):
            problems += blank_or_long
        elif id_type is IdType.CIO_ID and not _CIO_ID.fullmatch(member):
            problems.append(Problem(place, "is no cio_id; ASCII letters and digits are allowed (id_type is cio_id)"))
    return problems
