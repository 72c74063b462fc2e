"""One server's entry in a host's configuration: what it contains, and whether an entry runs this program."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

PROGRAM: Final = "customerio-track-mcp"
MODULE: Final = "customerio_track_mcp"

SANDBOX: Final = "--sandbox"
"""The argument with which the server uses a sandbox; one with a URL may follow, or be part of it."""
SANDBOX_VARIABLE: Final = "CUSTOMERIO_SANDBOX"
"""The variable that does the same."""

_OWN_KEYS: Final = frozenset({"type", "command", "args", "env"})
_DEFAULTS: Final[dict[str, Any]] = {"type": "stdio", "args": [], "env": {}}
_TRUE: Final = frozenset({"true", "1", "yes", "on", "t", "y"})
_CONTAINER_FILE: Final = re.compile(r"[\\/]")


@dataclass(frozen=True, slots=True)
class Entry:
    """How a host starts the server.

    Attributes:
        command: absolute path of the program.
        args: its arguments.
        env: its environment variables.
        secrets: names of those in `env` whose values must not be shown.
    """

    command: str
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: frozenset[str] = frozenset()

    @property
    def contains_secret(self) -> bool:
        """Whether a value of `env` must not be shown."""
        return bool(self.secrets & set(self.env))

    def shown_strings(self) -> set[str]:
        """Return the strings that may be shown to people."""
        values = {value for name, value in self.env.items() if name not in self.secrets}
        return {self.command, *self.args, *values}


def runs_this_program(entry: object) -> bool:
    """Return whether an entry of a host's configuration starts this program, also through uvx, Docker or Python."""
    if not isinstance(entry, Mapping):
        return False
    words = [entry.get("command"), *_list(entry.get("args"))]
    return any(_names_program(word) for word in words if isinstance(word, str))


def sandbox_of(entry: Mapping[str, Any]) -> bool | str:
    """Return whether an entry of a host's configuration starts the server with a sandbox, or the URL of that one."""
    variables = entry.get("env")
    in_variable = sandbox_in_variable(variables.get(SANDBOX_VARIABLE)) if isinstance(variables, Mapping) else False
    words = _list(entry.get("args"))
    for word, following in zip(words, [*words[1:], None], strict=False):
        option, equals, value = word.partition("=") if isinstance(word, str) else ("", "", "")
        if option == SANDBOX:
            url = value if equals else following
            return url if _is_url(url) else in_variable or True
    return in_variable


def sandbox_in_variable(value: object) -> bool | str:
    """Return what a value of `SANDBOX_VARIABLE` means: whether a sandbox is used, or the URL of that one."""
    if not isinstance(value, str):
        return value is True
    return value.strip() if _is_url(value) else value.strip().lower() in _TRUE


def shown_sandbox(sandbox: bool | str) -> bool | str:
    """Return `sandbox` as it may be shown: without a URL that contains a user and perhaps a password."""
    return True if isinstance(sandbox, str) and "@" in sandbox else sandbox


def sandbox_arguments(sandbox: bool | str) -> list[str]:
    """Return the arguments with which the server uses a sandbox."""
    if isinstance(sandbox, str):
        return [SANDBOX, sandbox]
    return [SANDBOX] if sandbox else []


def is_same(entry: object, fields: Mapping[str, Any]) -> bool:
    """Return whether an entry of a host's configuration means the same as `fields`.

    Some hosts leave out what is empty, and the type that is the default.
    """
    return isinstance(entry, Mapping) and _DEFAULTS | dict(entry) == _DEFAULTS | dict(fields)


def with_settings_of_host(new: Mapping[str, Any], old: object) -> dict[str, Any]:
    """Return `new` with the keys of `old` that are the host's own, such as `disabled` or `timeout`.

    Only if `old` ran this program too: the keys of another program are not about this one.
    """
    if not isinstance(old, Mapping) or not runs_this_program(old):
        return dict(new)
    return {**new, **{key: value for key, value in old.items() if key not in _OWN_KEYS}}


def _is_url(value: object) -> bool:
    return isinstance(value, str) and "://" in value


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _names_program(word: str) -> bool:
    last = _CONTAINER_FILE.split(word)[-1].lower()
    name = re.split(r"[@=:\[<>~!]", last)[0]  # a version, as in customerio-track-mcp==1.0 and :latest
    return name.removesuffix(".exe") in (PROGRAM, MODULE)
