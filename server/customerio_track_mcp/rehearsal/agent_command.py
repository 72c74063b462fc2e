"""The agent's command line: how it is split, and what replaces its placeholders."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from customerio_track_mcp.inherited_environment import inherited_environment

_CONFIG: Final = "{config}"
_PROMPT: Final = "{prompt}"
_PROMPT_FILE: Final = "{prompt_file}"
_PLACEHOLDER: Final = re.compile("|".join(map(re.escape, (_CONFIG, _PROMPT, _PROMPT_FILE))))
MAX_ARGUMENT_BYTES: Final = 30_000 if sys.platform == "win32" else 120_000
"""Bytes of a prompt in an argument: Linux accepts 131 071, and a whole command line of Windows 32 766 characters."""
_BATCH_FILES: Final = (".bat", ".cmd")


def is_placeholder(word: str) -> bool:
    """Return whether a word of a command line is one of the command's placeholders."""
    return _PLACEHOLDER.fullmatch(word) is not None


class AgentCommandError(Exception):
    """The command cannot be an agent's. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class AgentCommand:
    """An agent's command, which is started without a shell.

    Attributes:
        program: the path of the program.
        arguments: its arguments, with placeholders.
    """

    program: str
    arguments: Sequence[str]

    @classmethod
    def parse(cls, text: str, *, is_windows: bool = sys.platform == "win32") -> AgentCommand:
        """Split a command line, and look for its program.

        Args:
            text: the command line, quoted as in a shell; a backslash is an ordinary character on Windows.
            is_windows: whether the rules of Windows apply.

        Raises:
            AgentCommandError: it cannot be split, lacks a placeholder, or its program cannot be started.
        """
        try:
            words = _split(text, is_windows=is_windows)
        except ValueError as error:
            problem = str(error).lower().rstrip(".")
            raise AgentCommandError(
                f"the command cannot be split into words ({problem}): quote it as in a shell"
            ) from None
        if not words:
            raise AgentCommandError('the command is empty: expected one such as "my-agent {config} {prompt}"')
        name, *arguments = words
        used = set(_PLACEHOLDER.findall(" ".join(arguments)))
        if _CONFIG not in used:
            raise AgentCommandError(
                "the arguments do not contain {config}, which is replaced by the path of the MCP configuration"
            )
        if not used & {_PROMPT, _PROMPT_FILE}:
            raise AgentCommandError(
                "the arguments contain neither {prompt} nor {prompt_file}, which are replaced by the scenario's prompt "
                "and by the path of a file with it"
            )
        program = shutil.which(name)
        if program is None:
            raise AgentCommandError(
                f"the program {name} is not found, or is not executable: pass its path; no shell runs the command"
            )
        if is_windows and program.lower().endswith(_BATCH_FILES) and _PROMPT in used:
            raise AgentCommandError(
                f"{program} is a batch file, which Windows runs through a shell: pass {{prompt_file}} instead of "
                "{prompt}"
            )
        return cls(program, tuple(arguments))

    def why_not_for(self, prompt: str) -> str:
        """Return why a prompt cannot be passed to the agent; empty if it can be."""
        if "\0" in prompt:
            return "the prompt contains a null character, which no argument can contain"
        if not any(_PROMPT in argument for argument in self.arguments):
            return ""
        try:
            size = len(os.fsencode(prompt))
        except UnicodeEncodeError:
            return (
                f"the prompt contains characters that this locale ({sys.getfilesystemencoding()}) cannot encode: "
                "set LC_ALL=C.UTF-8, or pass {prompt_file} in --agent instead of {prompt}"
            )
        if size > MAX_ARGUMENT_BYTES:
            return (
                f"the prompt has {size} bytes, and an argument at most {MAX_ARGUMENT_BYTES}: pass {{prompt_file}} in "
                "--agent instead of {prompt}"
            )
        if prompt.startswith("-") and any(argument.startswith(_PROMPT) for argument in self.arguments):
            return "the prompt begins with -, so that the agent would read it as an option: begin it with a word"
        return ""

    def words(self, config: Path, prompt: str, prompt_file: Path) -> list[str]:
        """Return the program and its arguments. What replaces a placeholder is not searched for placeholders."""
        values: Mapping[str, str] = {_CONFIG: str(config), _PROMPT: prompt, _PROMPT_FILE: str(prompt_file)}
        replaced = (_PLACEHOLDER.sub(lambda found: values[found[0]], argument) for argument in self.arguments)
        return [self.program, *replaced]


_SETTINGS_PREFIXES: Final = ("CUSTOMERIO", "CUSTOMER_IO")
"""Variables that can contain the key of a real workspace: this program's, and other programs' names for it."""


def agent_environment() -> dict[str, str]:
    """Return the user's environment without the settings of the server.

    An agent that can run commands must not find the key of a real workspace there.
    """
    return {
        name: value
        for name, value in inherited_environment().items()
        if not name.upper().startswith(_SETTINGS_PREFIXES)
    }


def _split(text: str, *, is_windows: bool) -> list[str]:
    words = shlex.shlex(text, posix=True, punctuation_chars=False)
    words.whitespace_split = True
    words.commenters = ""
    if is_windows:
        words.escape = ""
    return list(words)
