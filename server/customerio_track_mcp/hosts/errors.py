"""Why a host's configuration cannot be read or changed.

```text
HostError
├── ConfigSyntaxError   the text is not valid, or has an unexpected structure; with line and column
├── ConfigFileError     the file cannot be read or written
├── EntryError          the entry is not one that may be removed, or its host would misread it
├── OwnCommandError     the host's own command failed
└── ProgramError        this program has no path that lasts
```
"""

from __future__ import annotations


class HostError(Exception):
    """Base class. The message is for people: what is wrong, and what to do. It contains no secret."""


class ConfigSyntaxError(HostError):
    """The text of a configuration cannot be changed safely.

    Attributes:
        line: from 1.
        column: in characters, from 1.
    """

    def __init__(self, reason: str, line: int, column: int) -> None:
        self.line = line
        self.column = column
        super().__init__(f"line {line}, column {column}: {reason}")


class ConfigFileError(HostError):
    """A configuration file cannot be read or written."""


class EntryError(HostError):
    """An entry is not one that may be removed, or its host would misread it."""


class OwnCommandError(HostError):
    """A host's own command failed. The message contains its output."""


class ProgramError(HostError):
    """This program has no path that can be written into a configuration."""


def syntax_error_at(text: str, position: int, reason: str) -> ConfigSyntaxError:
    """Return the error for a position in `text`, in characters from 0."""
    line_start = text.rfind("\n", 0, position) + 1
    return ConfigSyntaxError(reason, text.count("\n", 0, position) + 1, position - line_start + 1)
