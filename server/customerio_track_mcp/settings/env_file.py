"""The file of settings that `--env-file` or `CUSTOMERIO_ENV_FILE` names: one `NAME=VALUE` per line.

No file is read unless it is named. Hosts start servers in the project that is open, and a `.env` file there is not the
operator's: it could redirect the credentials to another server (CVE-2025-61260, CVE-2026-21852).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from customerio_track_mcp.settings.text_file import UnusableFileError, read_text_file

if TYPE_CHECKING:
    from dotenv.parser import Binding

ENV_FILE_VARIABLE: Final = "CUSTOMERIO_ENV_FILE"

_MAX_LINES_SHOWN: Final = 5
_NAME: Final = re.compile(r"[A-Za-z_][\w.-]*")


class EnvFileError(Exception):
    """The file cannot be used. The message contains its path, and nothing of its content."""


def read_env_file(path: Path) -> Mapping[str, str]:
    """Return the variables in a file, with names in upper case.

    The syntax is that of python-dotenv: comments, quotes and `export` are accepted. Values are literal: a `${NAME}` in
    them is not replaced.

    Raises:
        EnvFileError: the file cannot be read, or a line is invalid.
    """
    # Undocumented, but unchanged for years. `dotenv_values` only logs invalid lines:
    # https://github.com/theskumar/python-dotenv/blob/main/src/dotenv/parser.py
    from dotenv.parser import parse_stream  # few servers have such a file

    bindings = list(parse_stream(io.StringIO(_read_text(path))))
    if invalid := [_line_of(binding) for binding in bindings if not _is_valid(binding)]:
        lines = ", ".join(map(str, invalid[:_MAX_LINES_SHOWN]))
        if len(invalid) > _MAX_LINES_SHOWN:
            lines += f" and {len(invalid) - _MAX_LINES_SHOWN} more"
        raise EnvFileError(f"{_shown(path)}: expected NAME=VALUE on line {lines}")
    return dict(_variables(bindings))


def _variables(bindings: list[Binding]) -> Iterator[tuple[str, str]]:
    for binding in bindings:
        if binding.key is not None and binding.value is not None:
            yield binding.key.upper(), binding.value


def _read_text(path: Path) -> str:
    shown = _shown(path)
    try:
        path = path.expanduser().absolute()  # hosts start commands without a shell, in a directory of their choice
        shown = _shown(path)
        return read_text_file(path)
    except UnusableFileError as error:
        raise EnvFileError(f"{shown} {error}") from None
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "its home directory is unknown"
        raise EnvFileError(f"{shown} cannot be read: {reason}") from None


def _is_valid(binding: Binding) -> bool:
    if binding.error:
        return False
    if binding.key is None:
        return True  # blank lines and comments
    return binding.value is not None and _NAME.fullmatch(binding.key) is not None


def _line_of(binding: Binding) -> int:
    """Return the line of a binding; the parser's includes the blank lines before it."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def _shown(path: Path) -> str:
    text = str(path)
    return text if text.isprintable() else ascii(text)
