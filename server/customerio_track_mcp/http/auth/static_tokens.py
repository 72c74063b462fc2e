"""Static bearer tokens, each with the name of its caller; `token_entries` parses them.

Two entries with the same name are both valid, so that a token can be replaced without a gap.
"""

from __future__ import annotations

import hmac
import logging
import os
import re
import secrets
import time
from pathlib import Path
from typing import Final

from mcp.server.auth.provider import AccessToken
from pydantic import InstanceOf

from customerio_track_mcp.http.auth.token_entries import Entries, digest_of, why_not_a_token
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.restrictions import UNRESTRICTED, Restrictions
from customerio_track_mcp.settings.text_file import UnusableFileError, read_text_file

logger = logging.getLogger("customerio_track_mcp.http")

_MIN_SETTLED_NS: Final = 2_000_000_000
_UNFINISHED: Final = "may be incomplete: it does not end in a newline, and the file has just changed"
"""A line that is cut off can lack its scopes and restrictions."""
_LINE: Final = "CUSTOMERIO_HTTP_TOKENS_FILE: line"
_COMMENT: Final = re.compile(r"(?:^|\s)#.*")


def new_token() -> tuple[str, str]:
    """Return a new token of 256 random bits, and its digest for the tokens file."""
    token = secrets.token_urlsafe(32)
    while why_not_a_token(token):
        token = secrets.token_urlsafe(32)
    return token, f"sha256:{digest_of(token).hex()}"


class StaticAccessToken(AccessToken):
    """A static token that was verified.

    Attributes:
        restrictions: what its entry allows the caller.
    """

    restrictions: InstanceOf[Restrictions] = UNRESTRICTED


class StaticTokens:
    """Verifies tokens that the operator has issued.

    Args:
        given: entries from the environment, separated by commas or newlines.
        file: a file of entries, one per line, with `#` before a comment. It is read again when it changes. If it cannot
            be read, none of its tokens is valid; an invalid line is skipped and logged. So is a last line without a
            newline after a write in place, until the file has not changed for two seconds.

    Raises:
        SettingsError: an entry is invalid, or the file cannot be read.
    """

    def __init__(self, given: str | None, file: Path | None) -> None:
        self._given = Entries()
        entries = re.split(r"[,\n]", (given or "").removeprefix("\ufeff"))
        self._given.parse(entries, "CUSTOMERIO_HTTP_TOKENS: entry", separator=",")
        self._entries = self._given
        self._file = file
        self._signature: tuple[int, ...] | None = None
        self._read_at = 0
        self._in_place = False
        problems = list(self._given.problems)
        if file is not None:
            try:
                self._read(file)
                problems += self._entries.problems
            except (OSError, UnusableFileError) as error:
                reason = f"cannot be read ({_kind(error)})" if isinstance(error, OSError) else str(error)
                problems.append(f"CUSTOMERIO_HTTP_TOKENS_FILE: {reason}; expected a file of lines 'NAME TOKEN'")
        if not problems and not self._entries.valid:
            problems.append("CUSTOMERIO_HTTP_TOKENS: contains no token; 'customerio-track-mcp token NAME' creates one")
        if problems:
            raise SettingsError(problems)

    def verify(self, token: str) -> StaticAccessToken | None:
        """Return whose token it is; None if it is not valid."""
        self._refresh()
        digest = digest_of(token)
        found = None
        # Every entry is compared, in constant time, so that timing reveals nothing.
        for entry in self._entries.valid:
            if hmac.compare_digest(entry.digest, digest):
                found = entry
        if found is None:
            return None
        # The token itself is not kept.
        return StaticAccessToken(
            token="", client_id=found.name, scopes=list(found.scopes), restrictions=found.restrictions
        )

    def _refresh(self) -> None:
        if self._file is None:
            return
        before = self._entries
        try:
            stat = self._file.stat()
            changed_at, signature = stat.st_ctime_ns, _signature(stat)
            settled = self._read_at - changed_at > _MIN_SETTLED_NS
            # A file that was read right after a write may have changed since without a trace in its timestamps.
            if settled and self._signature == signature:
                return
            if self._signature != signature:
                # Another file in its place is complete: secret stores replace it, and the line may lack a newline.
                self._in_place = self._signature is None or self._signature[:2] == signature[:2]
            self._read(self._file, is_changing=self._in_place and time.time_ns() - changed_at <= _MIN_SETTLED_NS)
        except (OSError, UnusableFileError) as error:
            if self._signature is not None:
                logger.error(  # noqa: TRY400 - the kind is enough, once
                    "tokens file can't be read: none of its tokens is valid", extra={"error": _kind(error)}
                )
            self._entries, self._signature = self._given, None
            return
        if (before.valid, before.problems) != (self._entries.valid, self._entries.problems):
            in_file = len(self._entries.valid) - len(self._given.valid)
            logger.warning("tokens file read again", extra={"tokens": in_file})
            for problem in self._entries.problems:
                logger.error("tokens file: a line was left out", extra={"problem": problem})

    def _read(self, file: Path, *, is_changing: bool = False) -> None:
        read_at, signature = time.time_ns(), _signature(file.stat())
        lines = [_COMMENT.sub("", line) for line in read_text_file(file).split("\n")]
        unfinished = lines.pop() if is_changing else ""
        entries = Entries(self._given)
        entries.parse(lines, _LINE)
        if unfinished.strip():
            entries.report(f"{_LINE} {len(lines) + 1} {_UNFINISHED}")
        self._entries, self._read_at, self._signature = entries, read_at, signature


def _signature(stat: os.stat_result) -> tuple[int, ...]:
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def _kind(error: OSError | UnusableFileError) -> str:
    return type(error).__name__ if isinstance(error, OSError) else str(error)
