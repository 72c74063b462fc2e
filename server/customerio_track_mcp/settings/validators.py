"""Validators shared by settings: case, lists of words, paths."""

from __future__ import annotations

from pathlib import Path


def upper(value: object) -> object:
    """Strip whitespace and convert to upper case."""
    return value.strip().upper() if isinstance(value, str) else value


def lower(value: object) -> object:
    """Strip whitespace and convert to lower case."""
    return value.strip().lower() if isinstance(value, str) else value


def split(value: object) -> object:
    """Split at commas and whitespace."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


def absolute_path(value: object) -> object:
    """Strip whitespace and replace `~`, as a shell does: hosts start the server without one, in any folder.

    Raises:
        ValueError: it is not the absolute path of a file.
    """
    if not isinstance(value, str | Path):
        return value
    try:
        path = Path(str(value).strip()).expanduser()
    except RuntimeError:
        raise ValueError("its home directory is unknown") from None
    if not path.is_absolute() or not path.name or "\0" in str(path):
        raise ValueError("expected the absolute path of a file, which need not exist")
    return path
