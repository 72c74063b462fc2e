"""The end of what a program prints, read in a thread so that the program never waits for a reader."""

from __future__ import annotations

import os
from threading import Thread
from typing import BinaryIO, Final

KEPT_BYTES: Final = 16_384
"""Bytes of each stream that are kept."""
_READ_BYTES: Final = 65_536


class OutputTail:
    """The last `KEPT_BYTES` of a stream.

    Args:
        stream: the reading end of a pipe. It is closed at its end, or at the first bytes after `stop`.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._kept = b""
        self._is_cut = False
        self._is_stopped = False
        self._thread = Thread(target=self._read, name="agent output", daemon=True)
        self._thread.start()

    def stop(self, timeout: float) -> str:
        """Wait for the end of the stream, for at most `timeout` seconds, and return the text that was kept.

        A process that has left the agent's process group can keep the stream open. Bytes that are not UTF-8 are
        replaced. Text that was cut begins with an ellipsis.
        """
        self._thread.join(timeout)
        self._is_stopped = True
        text = self._kept.decode(errors="replace")
        return f"…{text}" if self._is_cut else text

    def _read(self) -> None:
        with self._stream:
            while not self._is_stopped and (chunk := os.read(self._stream.fileno(), _READ_BYTES)):
                kept = self._kept + chunk
                self._is_cut = self._is_cut or len(kept) > KEPT_BYTES
                self._kept = kept[-KEPT_BYTES:]
