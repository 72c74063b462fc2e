"""A delivery that a transport settles: it learns later whether a result reached its caller."""

from __future__ import annotations

from customerio_track_mcp.control.call import Settle


class PendingDelivery:
    """A `Delivery` whose transport calls `settle`; only the first call counts."""

    __slots__ = ("_delivered", "_waiting")

    def __init__(self) -> None:
        self._delivered: bool | None = None
        self._waiting: list[Settle] = []

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for it to be settled."""
        return bool(self._waiting)

    def when_settled(self, settle: Settle) -> None:
        """Call `settle` once, when it is known whether the result was delivered; at once if it is already known.

        (A call may still run when its connection is closed, which settles its delivery.)
        """
        if self._delivered is None:
            self._waiting.append(settle)
        else:
            settle(self._delivered)

    def settle(self, delivered: bool) -> None:
        """Report whether the result was delivered."""
        if self._delivered is None:
            self._delivered = delivered
            waiting, self._waiting = self._waiting, []
            for settle in waiting:
                settle(delivered)
