"""The parser of one command, which adds its arguments when they are needed: hosts wait for one command to start."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any


class CommandParser(argparse.ArgumentParser):
    """The parser of a command, which reports unknown arguments with its own usage.

    argparse passes them on to the main parser, whose usage does not contain the command's options.

    Args:
        add_arguments: called once, before the command's arguments are parsed or its help is formatted.
        problem_in: returns what is wrong with the command's arguments together; empty if they are valid.
        options: those of argparse's parser.
    """

    def __init__(
        self,
        *,
        add_arguments: Callable[[CommandParser], None],
        problem_in: Callable[[Mapping[str, Any]], str] = lambda _: "",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._add_arguments: Callable[[CommandParser], None] | None = add_arguments
        self._problem_in = problem_in

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse the arguments of the command; those that it does not have end the process with status 2."""
        self._complete()
        values, unknown = super().parse_known_args(args, namespace)
        if unknown:
            hint = "; put the whole command of --agent in quotes" if "{config}" in unknown else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        if problem := self._problem_in(vars(values)):
            self.error(problem)
        return values, unknown

    def format_help(self) -> str:
        """Return the help of the command, with all its arguments."""
        self._complete()
        return super().format_help()

    def _complete(self) -> None:
        if (add_arguments := self._add_arguments) is not None:
            self._add_arguments = None
            add_arguments(self)
