"""What SIGTERM and SIGINT do before a server handles them."""

from __future__ import annotations

import os
import signal
import sys
from typing import Final, NoReturn

STATUS: Final = {signal.SIGTERM: 0, signal.SIGINT: 130}
"""The exit status of a server that is stopped while it starts; 130 as in a shell."""

_ASK_AND_WRITE: Final = frozenset({"install", "uninstall"})
_ENDING: Final = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Signals whose default handler ends a process at once. Windows has no SIGHUP."""
_NOT_SERVERS: Final = frozenset({"check", "demo", "rehearse", "token"}) | _ASK_AND_WRITE


def exit_on_signals() -> None:
    """End this process without a traceback at SIGTERM and SIGINT, until a server handles them.

    Commands that are not servers keep Python's handlers: status 0 would mean that they have succeeded. Those that ask
    for a key and write files restore the terminal and delete what is incomplete before they end.
    """
    words = sys.argv[1:]
    if _NOT_SERVERS.isdisjoint(words):
        for number in STATUS:
            signal.signal(number, _exit)
    elif not _ASK_AND_WRITE.isdisjoint(words):
        for number in _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
                signal.signal(number, _raise_exit)


def _exit(number: int, frame: object) -> None:
    del frame
    # An exception would be lost if Python runs a destructor or a callback at this moment.
    os._exit(STATUS[signal.Signals(number)])


def _raise_exit(number: int, frame: object) -> NoReturn:
    del frame
    raise SystemExit(128 + number)  # as a shell reports it
