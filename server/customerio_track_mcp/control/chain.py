"""Controls, one after the other, between a valid call and its request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.write import Write
from customerio_track_mcp.track import Receipt

Send = Callable[[Write, Call], Awaitable[Receipt | None]]
"""Sends what a call asks for, and returns the confirmation; None if nothing was sent because this is a dry run."""


class Control(Protocol):
    """Decides whether and how a write is sent."""

    async def __call__(self, write: Write, call: Call, proceed: Send) -> Receipt | None:
        """Send a write by calling `proceed`, or do not.

        Raises:
            RefusedError: it is not sent.
            TrackError: as `proceed` does.
        """


def chain(controls: Sequence[Control], send: Send) -> Send:
    """Return a function that sends a write through `controls`, the first one first."""
    for control in reversed(controls):
        send = partial(control, proceed=send)
    return send
