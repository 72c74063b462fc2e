"""What the system knows of a socket before the event loop does."""

from __future__ import annotations

import select
import sys


def is_readable(descriptor: int) -> bool:
    """Return whether there is something to receive: data, or that nothing follows."""
    if sys.platform == "win32":
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
