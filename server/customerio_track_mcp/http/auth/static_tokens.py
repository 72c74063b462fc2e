"""Static bearer tokens, each with the name of who holds it.

An entry is `NAME TOKEN`, or `NAME TOKEN SCOPE ...` for a caller who may do only that. The token stands there itself
(32 characters or more) or as `sha256:` and the hexadecimal digest of it. Two entries of one name are both valid, so
that a token can be replaced without a gap.
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
from customerio_track_mcp.settings.base import BadSettingsError
from customerio_track_mcp.settings.http import CALLER_NAME

logger = logging.getLogger("customerio_track_mcp.http")

_SHORTEST: Final = 32
_DIGEST: Final = re.compile(r"sha256:([0-9a-fA-F]{64})")
_SETTLED_AFTER_NS: Final = 2_000_000_000


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    digest: bytes
    scopes: tuple[str, ...]


class _BadEntryError(Exception):
    """An entry can't be used; the text says why, and nothing of the token."""


def new_token() -> tuple[str, str]:
    """A token that nobody can guess, and what stands for it in the file."""
    token = secrets.token_urlsafe(32)
    return token, f"sha256:{_digest(token).hex()}"


class StaticTokens:
    """Verifies tokens that the operator has given out.

    Args:
        given: entries, separated by commas or line ends; from the environment.
        file: a file of entries, one a line, `#` before a comment. It is read again when it changes. Where it can't be
            read, none of its tokens is valid; a bad line in it is left out and told in the log.

    Raises:
        BadSettingsError: an entry can't be used, or the file can't be read.
    """

    def __init__(self, given: str | None, file: Path | None) -> None:
        problems: list[str] = []
        self._given = list(_read(re.split(r"[,\n]", given or ""), "CUSTOMERIO_HTTP_TOKENS: entry", problems))
        self._file = file
        self._in_file: list[_Entry] = []
        self._problems: list[str] = []
        self._signature: tuple[int, ...] | None = None
        self._read_at = 0
        if file is not None:
            try:
                self._read_file(file, problems)
            except (OSError, UnicodeError) as error:
                problems.append(f"CUSTOMERIO_HTTP_TOKENS_FILE: can't be read ({type(error).__name__})")
        if not problems and not self._given and not self._in_file:
            problems.append("CUSTOMERIO_HTTP_TOKENS: holds no token; 'customerio-track-mcp token NAME' makes one")
        if problems:
            raise BadSettingsError(problems)

    def verify(self, token: str) -> AccessToken | None:
        """Who holds `token`; None where nobody does."""
        self._refresh()
        digest = _digest(token)
        found = None
        # Every entry is compared, in constant time, so that the time taken tells nothing.
        for entry in (*self._given, *self._in_file):
            if hmac.compare_digest(entry.digest, digest):
                found = entry
        if found is None:
            return None
        # The token itself is kept nowhere.
        return AccessToken(token="", client_id=found.name, scopes=list(found.scopes))

    def _refresh(self) -> None:
        if self._file is None:
            return
        problems: list[str] = []
        try:
            stat = self._file.stat()
            settled = self._read_at - stat.st_ctime_ns > _SETTLED_AFTER_NS
            # A file that had just been written when it was read may have changed since without a trace in its times.
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
        self._in_file = list(_read(uncommented, "CUSTOMERIO_HTTP_TOKENS_FILE: line", problems))
        self._problems = problems


def _signature(file: Path) -> tuple[int, ...]:
    stat = file.stat()
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def _read(entries: Iterable[str], where: str, problems: list[str]) -> Iterator[_Entry]:
    for number, entry in enumerate(entries, start=1):
        if words := entry.split():
            try:
                yield _entry(words)
            except _BadEntryError as error:
                problems.append(f"{where} {number} {error}")


def _entry(words: list[str]) -> _Entry:
    name, *rest = words
    if not CALLER_NAME.fullmatch(name):
        raise _BadEntryError("has to begin with a name of letters, digits, '.', '_' and '-'")
    if not rest:
        raise _BadEntryError("has no token after the name")
    token, *scopes = rest
    if unknown := [scope for scope in scopes if scope not in TOOL_SCOPES | {METRICS_SCOPE}]:
        allowed = ", ".join(sorted(TOOL_SCOPES | {METRICS_SCOPE}))
        raise _BadEntryError(f"holds {len(unknown)} unknown scopes after the token; allowed are {allowed}")
    if hashed := _DIGEST.fullmatch(token):
        digest = bytes.fromhex(hashed.group(1))
    elif token.startswith("sha256:"):
        raise _BadEntryError("has a digest that is not of 64 hexadecimal digits")
    elif len(token) < _SHORTEST:
        raise _BadEntryError(f"has a token of under {_SHORTEST} characters, which could be guessed")
    else:
        digest = _digest(token)
    return _Entry(name, digest, tuple(scopes) or tuple(sorted(TOOL_SCOPES)))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
