"""Secret files, as Docker and Kubernetes mount them: a folder with one file per setting, named like its variable."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from customerio_track_mcp.settings.text_file import UnusableFileError, read_text_file


class SecretFileError(Exception):
    """A secret file cannot be used. The message contains its path, and nothing of its content."""


def read_secret_files(directory: Path, variables: Collection[str]) -> dict[str, str]:
    """Return the values of the variables that have a file, without whitespace around them. Other files are not opened.

    Args:
        directory: the folder; without it, no variable has a file.
        variables: names in upper case. Those of the files may be in any case.

    Raises:
        SecretFileError: the folder or a file cannot be read.
    """
    path = directory
    try:
        if not directory.is_dir():
            return {}
        values: dict[str, str] = {}
        for path in sorted(directory.iterdir()):
            if (name := path.name.upper()) in variables:
                values[name] = read_text_file(path).strip()
    except UnusableFileError as error:
        raise SecretFileError(f"{path} {error}") from None
    except OSError as error:
        raise SecretFileError(f"{path} cannot be read: {error.strerror}") from None
    return values
