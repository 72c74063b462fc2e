"""Entries of static bearer tokens: `NAME TOKEN`, or `NAME TOKEN SCOPE ...` for a caller with these scopes only.

The token is either in the clear (32 or more visible ASCII characters), or `sha256:` followed by its hexadecimal digest.
After it an entry may restrict the caller further: `tools=send_event events=purchase,signed_up segments=7
attributes=plan,billing_*`. Such a word may be repeated, which is how a list is written where commas separate entries.
Its values are percent-encoded, since words are separated by spaces: `events=Signed%20up`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from customerio_track_mcp.http.auth.scopes import KNOWN_SCOPES, TOOL_SCOPES
from customerio_track_mcp.settings.allowed_names import (
    AllowedNames,
    attribute_names,
    event_names,
    segment_ids,
    tool_names,
)
from customerio_track_mcp.settings.http import CALLER_NAME
from customerio_track_mcp.settings.placeholders import why_not_a_secret
from customerio_track_mcp.settings.restrictions import UNRESTRICTED, Restrictions

MAX_ENTRIES: Final = 1000
"""Maximum entries of both settings together, valid or not. Comparing a token with all of them takes a tenth of a
millisecond."""

_MAX_PROBLEMS: Final = 20
"""Problems that are reported one by one, so that a file that is not a tokens file does not fill the log."""

_MIN_TOKEN_CHARACTERS: Final = 32
_MAX_TOKEN_CHARACTERS: Final = 4096
"""The head of a request, which contains the token, may have 64 KiB."""
_DIGEST: Final = re.compile(r"sha256:([0-9a-fA-F]{64})")
_HEXADECIMAL: Final = re.compile(r"[0-9a-fA-F:]+")
_SENDABLE: Final = re.compile(r"[!-~]+")
"""What an HTTP header carries unchanged; clients do not agree on the encoding of anything else."""

_RESTRICTIONS: Final[Mapping[str, Callable[[object], tuple[str, ...] | None]]] = {
    "tools": tool_names,
    "events": event_names,
    "segments": segment_ids,
    "attributes": attribute_names,
}
"""The words that restrict a caller, each with how its values are read."""
_REPEAT: Final = "; commas separate the entries here, so repeat the word for each value: events=a events=b"
_NOT_ENCODED: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")

_OTHER_DIGEST: Final = re.compile(
    r"""
    (?P<form>
      (?: s?sha-?(?:1|2|3|224|256|384|512)?(?:[-_/](?:224|256|384|512))?
        | s?md[245] | blake[23][bs]? | ripemd-?160 | ntlm | b?crypt | scrypt | argon2(?:id|i|d)?
        | (?:hmac|pbkdf2)(?:[-_]?(?:md5|sha-?\d{1,3}))?
      ) [:=$]                                                            # SHA256:..., md5:..., pbkdf2_sha256$...
      | sha(?:256|384|512) (?: - | (?=[0-9a-f]{32,}$) )                  # sha256-... (subresource integrity), sha256...
      | \{ (?: s?sha\d{0,3} | s?md5 | crypt | bcrypt | argon2 | pbkdf2[\w-]{0,16} ) \}     # {SSHA}... (LDAP)
      | \$ (?: [156y] | 2[abxy]? | gy | apr1 | scrypt | argon2(?:id|i|d) | pbkdf2[\w-]{0,16} ) \$   # $2b$... (crypt)
    ) .*
    """,
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A valid entry.

    Attributes:
        name: the caller's name.
        digest: the SHA-256 digest of the token.
        scopes: what the caller may do.
        restrictions: what the caller may do it with.
    """

    name: str
    digest: bytes
    scopes: tuple[str, ...]
    restrictions: Restrictions = UNRESTRICTED


class Entries:
    """Valid entries, and what is wrong with the others.

    Args:
        before: entries that these follow: a token that is among them is not accepted again.

    Attributes:
        valid: the valid entries, each with another token.
    """

    def __init__(self, before: Entries | None = None) -> None:
        self.valid: list[Entry] = list(before.valid) if before else []
        self._place_of: dict[bytes, str] = dict(before._place_of) if before else {}
        self._count: int = before._count if before else 0
        self._problems: list[str] = []
        self._not_reported = 0

    @property
    def problems(self) -> list[str]:
        """One line for each invalid entry, without its token; from the 21st on, one line for all of them."""
        more = [f"{self._not_reported} more entries are invalid"] if self._not_reported else []
        return self._problems + more

    def parse(self, texts: Iterable[str], source: str, separator: str = "\n") -> None:
        """Add entries.

        Args:
            texts: one entry each; those without a word are skipped.
            source: the name of the setting, and what an entry is called in it, for problems.
            separator: what is between entries.
        """
        words: list[str] = []
        for number, text in enumerate(texts, start=1):
            before, words = words, text.split()
            if not words:
                continue
            place = f"{source} {number}"
            if self._count >= MAX_ENTRIES:
                self.report(f"{place} and those after it are left out: at most {MAX_ENTRIES} are accepted")
                return
            self._count += 1
            try:
                self._add(_entry(words), place)
            except _InvalidEntryError as error:
                is_value = separator == "," and len(words) == 1 and bool(before) and "=" in before[-1]
                self.report(f"{place} {error}{_REPEAT if is_value else ''}")

    def _add(self, entry: Entry, place: str) -> None:
        if first := self._place_of.get(entry.digest):
            raise _InvalidEntryError(f"contains the same token as {first}; remove one, or create another token")
        self._place_of[entry.digest] = place
        self.valid.append(entry)

    def report(self, problem: str) -> None:
        """Add a problem: one line, without a token."""
        if len(self._problems) < _MAX_PROBLEMS:
            self._problems.append(problem)
        else:
            self._not_reported += 1


class _InvalidEntryError(Exception):
    """An entry is invalid; the message says why, without repeating the token."""


def digest_of(token: str) -> bytes:
    """Return the digest by which a token is stored and compared."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def why_not_a_token(token: str) -> str:
    """Return why `token` cannot be a token in the clear; empty if it can be one.

    A digest of a form that is not supported would become the password itself, readable by everybody who can read the
    file.

    Returns:
        The reason, as a predicate, without anything of the token.
    """
    if reason := why_not_a_secret(token):
        return f"has a token that {reason}"
    if not _SENDABLE.fullmatch(token):
        return "has a token with characters outside ASCII, which clients encode differently"
    if "#" in token:
        return "has a token that contains '#'; put a space before a comment, or choose a token without it"
    if digest := _OTHER_DIGEST.fullmatch(token):
        return (
            f"has a digest of the form '{digest['form']}', which is not accepted: expected sha256: in lower case and "
            "64 hexadecimal digits; 'customerio-track-mcp token NAME' creates a token and its digest"
        )
    if _HEXADECIMAL.fullmatch(token) and len(token) >= _MIN_TOKEN_CHARACTERS:
        return (
            "has a token of hexadecimal digits only, which could be a digest: write a SHA-256 digest as sha256:DIGEST; "
            "if it is the token itself, write its SHA-256 digest in the same way"
        )
    if len(token) < _MIN_TOKEN_CHARACTERS:
        return f"has a token of fewer than {_MIN_TOKEN_CHARACTERS} characters, which can be guessed"
    return ""


def _entry(words: list[str]) -> Entry:
    name, *rest = words
    if not CALLER_NAME.fullmatch(name):
        raise _InvalidEntryError("must start with a name of letters, digits, '.', '_' and '-'")
    if not rest or _is_restriction(rest[0]):
        raise _InvalidEntryError("has no token after the name")
    token, *words = rest
    if len(token) > _MAX_TOKEN_CHARACTERS:
        raise _InvalidEntryError(f"has a token of more than {_MAX_TOKEN_CHARACTERS} characters")
    if hashed := _DIGEST.fullmatch(token):
        digest = bytes.fromhex(hashed.group(1))
    elif token.startswith("sha256:"):
        raise _InvalidEntryError("has an invalid digest: expected 64 hexadecimal digits")
    elif reason := why_not_a_token(token):
        raise _InvalidEntryError(reason)
    else:
        digest = digest_of(token)
    scopes = [word for word in words if not _is_restriction(word)]
    if unknown := [scope for scope in scopes if scope not in KNOWN_SCOPES]:
        known = ", ".join(sorted(KNOWN_SCOPES))
        raise _InvalidEntryError(
            f"contains {len(unknown)} unknown scopes after the token; the scopes are {known}; other restrictions start "
            f"with {'=, '.join(_RESTRICTIONS)}=, and a space in their values is %20"
        )
    restrictions = _restrictions(word for word in words if _is_restriction(word))
    return Entry(name, digest, tuple(dict.fromkeys(scopes)) or tuple(sorted(TOOL_SCOPES)), restrictions)


def _is_restriction(word: str) -> bool:
    kind, equals, _ = word.partition("=")
    return bool(equals) and kind in _RESTRICTIONS


def _restrictions(words: Iterable[str]) -> Restrictions:
    values: dict[str, list[str]] = {}
    for word in words:
        kind, _, value = word.partition("=")
        values.setdefault(kind, []).extend(value.split(","))
    return Restrictions(**{kind: _allowed(kind, encoded) for kind, encoded in values.items()})


def _allowed(kind: str, encoded: Iterable[str]) -> AllowedNames:
    try:
        entries = _RESTRICTIONS[kind](map(_decoded, encoded))
    except ValueError as error:
        raise _InvalidEntryError(f"has an invalid {kind}=: {error}") from None
    return AllowedNames(entries or (), f"{kind}= in the entry of this caller's token")


def _decoded(value: str) -> str:
    if _NOT_ENCODED.search(value):
        raise ValueError("contains a % without two hexadecimal digits; write %25 for %, and %20 for a space")
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("is not percent-encoded UTF-8") from None
