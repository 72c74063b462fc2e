"""What SIGTERM and SIGINT do before a server handles them."""

from __future__ import annotations

import os
import signal
import sys
from typing import Final

STATUS: Final = {signal.SIGTERM: 0, signal.SIGINT: 130}
"""The exit status of a server that is stopped while it starts; 130 as in a shell."""

_NOT_SERVERS: Final = frozenset({"check", "demo", "token"})


def exit_on_signals() -> None:
    """End this process without a traceback at SIGTERM and SIGINT, until a server handles them.

    Commands that are not servers keep Python's handlers: status 0 would mean that they have succeeded.
    """
    if _NOT_SERVERS.isdisjoint(sys.argv[1:]):
        for number in STATUS:
            signal.signal(number, _exit)


def _exit(number: int, frame: object) -> None:
    del frame
    # An exception would be lost if Python runs a destructor or a callback at this moment.
    os._exit(STATUS[signal.Signals(number)])
