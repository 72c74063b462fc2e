"""Validate what identifies people and segments: ids, email addresses, cio_ids, segment ids.

The Track API distinguishes an id, an email address and a cio_id by shape alone, and answers 200 to an identifier that
it cannot use. So a shape that cannot be intended is reported here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from customerio_track_mcp.track.errors import Problem
from customerio_track_mcp.track.validation.characters import hidden_characters
from customerio_track_mcp.track.validation.limits import (
    EMAIL_BYTES,
    IDENTIFIER_BYTES,
    SEGMENT_ID_MAX,
    SEGMENT_IDS_PER_CALL,
)
from customerio_track_mcp.track.validation.ordinary import (
    are_ordinary_addresses,
    are_ordinary_cio_ids,
    are_ordinary_ids,
)
from customerio_track_mcp.track.validation.placeholders import is_placeholder, is_placeholder_address
from customerio_track_mcp.track.validation.text import text_problem

# Deliberately loose: Customer.io accepts internal domains, plus-addresses and non-ASCII mailboxes. Only what no mail
# system accepts is rejected: whitespace, RFC 5322's specials outside quotes, a missing part.
_EMAIL: Final = re.compile(
    r"""[^\s\x00-\x1f\x7f()<>\[\]:;\\,"@]+      # mailbox
        @
        [^\s\x00-\x1f\x7f()<>\[\]:;\\,"@.]+     # first label of the domain
        (?:\.[^\s\x00-\x1f\x7f()<>\[\]:;\\,"@.]+)*
    """,
    re.VERBOSE,
)
_CIO_ID: Final = re.compile(r"(?:cio_)?[A-Za-z0-9]+")
_DIGITS: Final = re.compile(r"[0-9]+")
_MAX_SEGMENT_ID_DIGITS: Final = 20  # Python refuses to parse integers of more than 4300 digits
_PLACEHOLDER: Final = (
    "is a placeholder, not an identifier; everybody it is sent for would become one person; pass the person's real {}"
)
_REAL_ID: Final = "; if this is the real id, pass 'cio_' followed by the cio_id"
_REAL_MEMBER_ID: Final = f"{_REAL_ID}, with id_type 'cio_id'"


class IdType(StrEnum):
    """The type of all `ids` in one segment call."""

    ID = "id"
    EMAIL = "email"
    CIO_ID = "cio_id"


def is_email(text: str) -> bool:
    """Return whether `text` has the shape of an email address; internal domains and non-ASCII letters are accepted."""
    return _EMAIL.fullmatch(text) is not None


def is_cio_id(identifier: str) -> bool:
    """Return whether an identifier in a path would be read as a cio_id: `cio_` followed by ASCII letters and digits."""
    return identifier.startswith("cio_") and _CIO_ID.fullmatch(identifier) is not None


def identifier_problems(parameter: str, identifier: str) -> list[Problem]:
    """Validate `identifier` in a request's path: an id, an email address, or `cio_` followed by a cio_id."""
    if identifier in (".", ".."):
        return [Problem(parameter, f"is {identifier!r}, which a URL path cannot contain; pass the person's real id")]
    return id_problems(parameter, identifier, if_real=_REAL_ID)


def id_problems(parameter: str, identifier: str, *, if_real: str = "") -> list[Problem]:
    """Validate `identifier` of a person outside a path: in a list of segment members, or among the attributes.

    Args:
        parameter: the name to report.
        identifier: an id, an email address or a cio_id.
        if_real: what to pass instead of an id that is reported as a placeholder but is real.
    """
    problem = _id_problem(identifier, if_real)
    return [Problem(parameter, problem)] if problem else []


def email_problems(parameter: str, email: str) -> list[Problem]:
    """Validate `email` as an email address."""
    problem = _email_problem(email)
    return [Problem(parameter, problem)] if problem else []


def segment_id_problems(parameter: str, segment_id: str) -> list[Problem]:
    """Validate `segment_id`: the digits of an int32 above 0."""
    is_short = len(segment_id) <= _MAX_SEGMENT_ID_DIGITS
    if is_short and _DIGITS.fullmatch(segment_id) and 1 <= int(segment_id) <= SEGMENT_ID_MAX:
        return []
    if is_short and (hidden := hidden_characters(segment_id, strict=True)):
        return [Problem(parameter, f"is not a segment id: it {hidden}")]
    return [
        Problem(
            parameter,
            f"is not a segment id; pass the whole number (1 to {SEGMENT_ID_MAX}) that the segment's page in "
            "Customer.io shows",
        )
    ]


def segment_member_problems(parameter: str, ids: Sequence[str], id_type: IdType) -> list[Problem]:
    """Validate `ids` as people to add to a segment: their number, and the shape of each.

    The Track API silently ignores values that do not match `id_type`.
    """
    if not 1 <= len(ids) <= SEGMENT_IDS_PER_CALL:
        return [Problem(parameter, f"contains {len(ids)} ids; pass 1 to {SEGMENT_IDS_PER_CALL} ids per call")]
    if _are_ordinary(ids, id_type):
        return []
    problems: list[Problem] = []
    for index, member in enumerate(ids):
        if problem := _member_problem(member, id_type):
            problems.append(Problem(f"{parameter}[{index}]", problem))
    return problems


def _are_ordinary(ids: Sequence[str], id_type: IdType) -> bool:
    if id_type is IdType.EMAIL:
        return are_ordinary_addresses(ids)
    return are_ordinary_cio_ids(ids) if id_type is IdType.CIO_ID else are_ordinary_ids(ids)


def _member_problem(member: str, id_type: IdType) -> str:
    if id_type is IdType.EMAIL:
        return _email_problem(member)
    if problem := _id_problem(member, _REAL_MEMBER_ID):
        return problem
    if id_type is IdType.CIO_ID and not _CIO_ID.fullmatch(member):
        return "is not a cio_id; a cio_id consists of ASCII letters and digits"
    return ""


def _id_problem(identifier: str, if_real: str) -> str:
    if problem := text_problem(identifier, IDENTIFIER_BYTES):
        return problem
    is_address = "@" in identifier and is_email(identifier)
    if hidden := hidden_characters(identifier, strict=is_address):
        return hidden
    if is_placeholder(identifier) or (is_address and is_placeholder_address(identifier)):
        return _PLACEHOLDER.format("id") + if_real
    return ""


def _email_problem(email: str) -> str:
    if problem := text_problem(email, EMAIL_BYTES):
        return problem
    if hidden := hidden_characters(email, strict=True):
        return f"is not a valid email address: it {hidden}"
    if is_placeholder(email) or is_placeholder_address(email):
        return _PLACEHOLDER.format("email address")
    if not is_email(email):
        return "is not a valid email address; pass exactly one, for example ann@example.com"
    return ""
