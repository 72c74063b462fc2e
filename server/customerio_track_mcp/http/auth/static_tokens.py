"""Static bearer tokens, each with the name of its caller.

An entry is `NAME TOKEN`, or `NAME TOKEN SCOPE ...` for a caller with these scopes only. The token is either in the
clear (32 characters or more), or `sha256:` followed by its hexadecimal digest. Two entries with the same name are both
valid, so that a token can be replaced without a gap.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mcp.server.auth.provider import AccessToken

from customerio_track_mcp.http.auth.scopes import METRICS_SCOPE, TOOL_SCOPES
from customerio_track_mcp.settings.base import SettingsError
from customerio_track_mcp.settings.http import CALLER_NAME
from customerio_track_mcp.settings.placeholders import why_not_a_secret

logger = logging.getLogger("customerio_track_mcp.http")

_MIN_TOKEN_CHARACTERS: Final = 32
_DIGEST: Final = re.compile(r"sha256:([0-9a-fA-F]{64})")
_MIN_SETTLED_NS: Final = 2_000_000_000


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    digest: bytes
    scopes: tuple[str, ...]


class _InvalidEntryError(Exception):
    """An entry is invalid; the message says why, without repeating the token."""


def new_token() -> tuple[str, str]:
    """Return a new token of 256 random bits, and its digest for the tokens file."""
    token = secrets.token_urlsafe(32)
    return token, f"sha256:{_digest(token).hex()}"


class StaticTokens:
    """Verifies tokens that the operator has issued.

    Args:
        given: entries from the environment, separated by commas or newlines.
        file: a file of entries, one per line, with `#` before a comment. It is read again when it changes. If it cannot
            be read, none of its tokens is valid; an invalid line is skipped and logged.

    Raises:
        SettingsError: an entry is invalid, or the file cannot be read.
    """

    def __init__(self, given: str | None, file: Path | None) -> None:
        problems: list[str] = []
        self._given = list(_parse(re.split(r"[,\n]", given or ""), "CUSTOMERIO_HTTP_TOKENS: entry", problems))
        self._file = file
        self._in_file: list[_Entry] = []
        self._problems: list[str] = []
        self._signature: tuple[int, ...] | None = None
        self._read_at = 0
        if file is not None:
            try:
                self._read_file(file, problems)
            except (OSError, UnicodeError) as error:
                problems.append(f"CUSTOMERIO_HTTP_TOKENS_FILE: cannot be read ({type(error).__name__})")
        if not problems and not self._given and not self._in_file:
            problems.append("CUSTOMERIO_HTTP_TOKENS: contains no token; 'customerio-track-mcp token NAME' creates one")
        if problems:
            raise SettingsError(problems)

    def verify(self, token: str) -> AccessToken | None:
        """Return whose token it is; None if it is not valid."""
        self._refresh()
        digest = _digest(token)
        found = None
        # Every entry is compared, in constant time, so that timing reveals nothing.
        for entry in (*self._given, *self._in_file):
            if hmac.compare_digest(entry.digest, digest):
                found = entry
        if found is None:
            return None
        # The token itself is not kept.
        return AccessToken(token="", client_id=found.name, scopes=list(found.scopes))

    def _refresh(self) -> None:
        if self._file is None:
            return
        problems: list[str] = []
        try:
            stat = self._file.stat()
            settled = self._read_at - stat.st_ctime_ns > _MIN_SETTLED_NS
            # A file that was read right after a write may have changed since without a trace in its timestamps.
            if settled and self._signature == _signature(self._file):
                return
            before = (self._in_file, self._problems)
            self._read_file(self._file, problems)
            if before != (self._in_file, self._problems):
                logger.warning("tokens file read again", extra={"tokens": len(self._in_file)})
                for problem in problems:
                    logger.error("tokens file: a line was left out", extra={"problem": problem})
        except (OSError, UnicodeError) as error:
            if self._signature is not None or self._in_file:
                logger.error(  # noqa: TRY400 - the kind is enough, once
                    "tokens file can't be read: none of its tokens is valid", extra={"error": type(error).__name__}
                )
            self._in_file, self._problems, self._signature = [], [], None

    def _read_file(self, file: Path, problems: list[str]) -> None:
        self._read_at, self._signature = time.time_ns(), _signature(file)
        lines = file.read_text(encoding="utf-8").splitlines()
        uncommented = (line.partition("#")[0] for line in lines)
        self._in_file = list(_parse(uncommented, "CUSTOMERIO_HTTP_TOKENS_FILE: line", problems))
        self._problems = problems


def _signature(file: Path) -> tuple[int, ...]:
    stat = file.stat()
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def _parse(entries: Iterable[str], where: str, problems: list[str]) -> Iterator[_Entry]:
    for number, entry in enumerate(entries, start=1):
        if words := entry.split():
            try:
                yield _entry(words)
            except _InvalidEntryError as error:
                problems.append(f"{where} {number} {error}")


def _entry(words: list[str]) -> _Entry:
    name, *rest = words
    if not CALLER_NAME.fullmatch(name):
        raise _InvalidEntryError("must start with a name of letters, digits, '.', '_' and '-'")
    if not rest:
        raise _InvalidEntryError("has no token after the name")
    token, *scopes = rest
    if unknown := [scope for scope in scopes if scope not in TOOL_SCOPES | {METRICS_SCOPE}]:
        known = ", ".join(sorted(TOOL_SCOPES | {METRICS_SCOPE}))
        raise _InvalidEntryError(f"contains {len(unknown)} unknown scopes after the token; the scopes are {known}")
    if hashed := _DIGEST.fullmatch(token):
        digest = bytes.fromhex(hashed.group(1))
    elif token.startswith("sha256:"):
        raise _InvalidEntryError("has an invalid digest: expected 64 hexadecimal digits")
    elif reason := why_not_a_secret(token):
        raise _InvalidEntryError(f"has a token that {reason}")
    elif len(token) < _MIN_TOKEN_CHARACTERS:
        raise _InvalidEntryError(f"has a token of fewer than {_MIN_TOKEN_CHARACTERS} characters, which can be guessed")
    else:
        digest = _digest(token)
    return _Entry(name, digest, tuple(scopes) or tuple(sorted(TOOL_SCOPES)))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
