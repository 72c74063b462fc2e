"""A program on a pseudo-terminal of its own, with a person at the other end."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

_AS_SESSION_LEADER = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
"""Makes standard input the terminal that `/dev/tty` is."""


class Terminal:
    """A terminal.

    Attributes:
        screen: what the program wrote to it, and what the terminal echoed.
        process: the program, whose stdout is a pipe.
    """

    def __init__(self, descriptor: int, process: subprocess.Popen[str]) -> None:
        self.screen = ""
        self.process = process
        self._descriptor = descriptor
        self._seen = 0

    def wait_for(self, text: str) -> None:
        """Wait until `text` appears after what was last waited for."""
        while text not in self.screen[self._seen :]:
            assert select.select([self._descriptor], [], [], 60)[0], self.screen
            assert self._read(), self.screen
        self._seen = self.screen.index(text, self._seen) + len(text)

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._descriptor)[3] & termios.ECHO)

    def enter(self, line: str | bytes) -> None:
        """Type a line."""
        os.write(self._descriptor, (line.encode() if isinstance(line, str) else line) + b"\n")

    def press(self, key: bytes) -> None:
        """Type a character, such as Ctrl+D."""
        os.write(self._descriptor, key)

    def finish(self) -> tuple[int, str]:
        """Wait for the program's end; return its exit status and what it wrote to stdout."""
        while self._read():
            pass
        output, _ = self.process.communicate(timeout=60)
        return self.process.returncode, output

    def _read(self) -> bool:
        with suppress(OSError):  # Linux reports an error once the other end is closed
            if chunk := os.read(self._descriptor, 4096):
                self.screen += chunk.decode(errors="replace")
                return True
        return False


@contextmanager
def terminal(source: str, env: Mapping[str, str]) -> Iterator[Terminal]:
    """Run a Python program on a terminal until the block ends.

    Args:
        source: its text.
        env: its environment.
    """
    ours, theirs = os.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-c", f"{_AS_SESSION_LEADER}\n{source}"],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            env=env,
            encoding="utf-8",
            start_new_session=True,
        ) as process:
            os.close(theirs)
            try:
                yield Terminal(ours, process)
            finally:
                process.kill()
    finally:
        os.close(ours)
