"""Text that stands in place of a secret: placeholders, quotes, authentication schemes.

As a credential it would only get a 401 from the Track API. As a bearer token or a hash key it would work, but everybody
knows it.
"""

from __future__ import annotations

import re
from typing import Final

_QUOTES: Final = frozenset("\"'`\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}\u2018\u2019")
_SCHEME: Final = re.compile(r"(?:authorization:\s*)?(?:bearer|basic|token)(?:\s|$)", re.IGNORECASE)
_REFERENCE: Final = re.compile(r"[$#]\{|\$\(|\{\{|://|ENC\[|\*{3}|[xX]{8}|\N{BULLET}|\N{HORIZONTAL ELLIPSIS}")
"""A variable, a template, a secret manager's reference, or a masked value, anywhere in the text."""

_PLACEHOLDER: Final = re.compile(
    r"""
      <.*> | \{.*\} | \[.*\] | \(.*\)      # <your-api-key>, {key}, [key], ((key))
    | %.*% | \$[a-z_]\w* | __\w+__ | @\w+@ # %API_KEY%, $API_KEY, __API_KEY__, @API_KEY@
    | [\W_]+ | [x\W_]{3,}                  # -, ..., ***, xxxx-xxxx
    | your(?:[-_. ].*|(?:tracking|track|customer|api|site|key|secret|token).*)?
    | .*[-_. ]here
    | (?:change|replace)[-_. ]?(?:me|this|it|with).*
    | (?:insert|enter|paste|put|fill)[-_. ]?(?:in|me|it|your|the|an?|api|site|key|token|here)(?:[-_. ].*)?
    | customerio_(?:api_key|site_id|http_tokens|log_hash_key)(?:\W.*)?
    | (?:customer\.?io)?[-_. ]?(?:tracking|track)?[-_. ]?api[-_. ]?key
    | (?:customer\.?io)?[-_. ]?site[-_. ]?id
    | placeholder | redacted | to[-_ ]?do | fix[-_ ]?me | tbd | n/?a | none | null | nil | nan | undefined
    """,
    re.IGNORECASE | re.VERBOSE,
)


def why_not_a_secret(text: str) -> str:
    """Return why `text` cannot be a secret; empty if it can be one.

    Args:
        text: the value of a setting without whitespace around it, or a part of it.

    Returns:
        The reason, without anything of the text.
    """
    if not text:
        return ""
    if text[0] in _QUOTES or text[-1] in _QUOTES:
        return "is in quotes; remove them"
    if _SCHEME.match(text):
        return "starts with an HTTP authentication scheme; pass the value alone"
    if _REFERENCE.search(text) or any(map(_PLACEHOLDER.fullmatch, (text, *text.split(":")))):
        return "is a placeholder that was not replaced; pass the value itself"
    return ""
