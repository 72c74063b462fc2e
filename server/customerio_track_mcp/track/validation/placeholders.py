"""Placeholders: text that stands where an identifier was missing, such as `undefined` or `{{customer.id}}`.

Everybody whose identifier was missing gets the same placeholder, so Customer.io would make one person of them. This has
happened elsewhere: https://github.com/PostHog/posthog/issues/876.
"""

from __future__ import annotations

import re
from typing import Final

# What JavaScript, Python, Ruby, Go, PHP, SQL, Objective-C and spreadsheets print for a value that is absent. Only in
# these spellings: Nan, Nil and Null are names. "0", "-1", "true", "test" and "guest" can be real ids.
ABSENT: Final = frozenset(
    {"undefined", "null", "NULL", "none", "None", "nil", "nan", "NaN", "NAN", "n/a", "N/A", "#N/A"}
)
_QUOTES: Final = " \t\r\n\"'`\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"
_WRAPPING: Final = _QUOTES + "()<>[]{}"

_WORD: Final = (
    "(?:account|address|cio|client|contact|customer|email|first|full|guid|identifier|id|key|last|mail|member|my|name"
    "|number|person|phone|profile|subscriber|user|uuid|your)"
)
_NAME: Final = rf"[ _.:-]*+(?:{_WORD}[ _.:-]*)+"
"""A name that is made of such words only: in a template it is the name of a variable, not part of somebody's id."""

_TEMPLATE: Final = re.compile(
    rf"""
      \{{\{{ | \$\{{ | %\{{                                                  # Handlebars, Jinja; JavaScript; Ruby
    | \[object[ ]\w+\]                                                     # an object as JavaScript prints it
    | <(?:built-in|function|bound[ ]method|class)[ ][^<>]*>                 # the same, of Python
    | <[\w.]++[ ]object[ ]at[ ]0x
    | \{{{_NAME}\}} | <{_NAME}> | %{_NAME}% | %\(\w+\)s
    """,
    re.VERBOSE | re.IGNORECASE,
)
_WHOLE_TEMPLATE: Final = re.compile(
    rf"\[{_NAME}\]|\${_NAME}|__{_NAME}__|your[ _-]{_NAME}|%s|\{{[0-9]?\}}", re.IGNORECASE
)
_PAIRS: Final = (("#{", "}"), ("$(", ")"), ("{%", "%}"), ("<%", "%>"), ("<?", "?>"), ("[[", "]]"), ("*|", "|*"))
"""What surrounds code in templates of Ruby, make, Jinja, ERB, PHP, wikis and Mailchimp."""

_SUSPICIOUS: Final = re.compile(r"[{<\[%$|(]|__|your", re.IGNORECASE)  # what every template contains
_UNDEFINED: Final = re.compile(r"(?<![^\W_])(?:undefined)+(?![^\W_])", re.IGNORECASE)


def is_placeholder(identifier: str) -> bool:
    """Return whether `identifier` is a placeholder rather than the id or cio_id of one person.

    It is one if it contains a template such as `{{id}}` or `{id}`, or the word `undefined`, or if it is one of the
    other known words, with or without `cio_` before it and with or without quotes or brackets around it. In an email
    address the word `undefined` alone is not enough: see `is_placeholder_address`.
    """
    text = identifier.strip(_WRAPPING).removeprefix("cio_").strip(_WRAPPING)
    if not text or text in ABSENT:
        return True
    return _is_template(identifier) or ("@" not in identifier and _UNDEFINED.search(text) is not None)


def is_placeholder_address(email: str) -> bool:
    """Return whether the email address `email` was made from a placeholder, for example `undefined@example.com`.

    A mailbox named null or nan can be real, except at a domain of that name.
    """
    mailbox, _, domain = email.casefold().rpartition("@")
    if mailbox == "undefined" or (mailbox in ABSENT and domain.partition(".")[0] in ABSENT):
        return True
    return _is_template(email) or any(map(_is_whole_template, (mailbox, domain)))


def _is_template(text: str) -> bool:
    if not _SUSPICIOUS.search(text):
        return False
    bare = text.strip(_QUOTES).removeprefix("cio_")
    if any(_contains_pair(bare, *pair) for pair in _PAIRS) or _TEMPLATE.search(bare):
        return True
    return _is_whole_template(text)


def _is_whole_template(text: str) -> bool:
    return _WHOLE_TEMPLATE.fullmatch(text.strip(_QUOTES).removeprefix("cio_")) is not None


def _contains_pair(text: str, opening: str, closing: str) -> bool:
    start = text.find(opening)
    return start >= 0 and text.find(closing, start + len(opening)) >= 0
