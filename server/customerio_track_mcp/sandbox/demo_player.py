"""Play the demo's data into the running sandbox, as the page's button does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from customerio_track_mcp.sandbox.bounds import DEMO_STOP_SECONDS

logger = logging.getLogger("customerio_track_mcp.sandbox")

PlayDemo = Callable[[str], Awaitable[None]]
"""Loads the demo's data into the sandbox at a URL, and returns when that is done."""

_PROBLEM: Final = "the demo's data could not be loaded ({}); run customerio-track-mcp demo to see more"


class DemoPlayer:
    """Plays the demo's data in the background, once at a time.

    Args:
        play: loads the data; None if this sandbox cannot.

    Attributes:
        url: the sandbox's URL, known when it listens.
        on_change: called when the data starts to play, and with the problem or None when it ends.
    """

    def __init__(self, play: PlayDemo | None) -> None:
        self.url = ""
        self.on_change: Callable[[str | None], None] = lambda _: None
        self._play = play
        self._task: asyncio.Task[None] | None = None

    @property
    def can_play(self) -> bool:
        """Whether this sandbox can play the demo's data."""
        return self._play is not None

    @property
    def is_playing(self) -> bool:
        """Whether the data is playing now."""
        return self._task is not None

    def start(self) -> None:
        """Start to play, unless the data is playing already or cannot be played."""
        if self._play is None or self._task is not None:
            return
        self._task = asyncio.create_task(self._run(self._play))
        self.on_change(None)

    async def stop(self) -> None:
        """End the demo if it is playing, and wait for that up to `DEMO_STOP_SECONDS`."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=DEMO_STOP_SECONDS)

    async def _run(self, play: PlayDemo) -> None:
        problem = None
        try:
            await play(self.url)
        except Exception as error:  # noqa: BLE001 - its text may quote what another program sent
            problem = _PROBLEM.format(type(error).__name__)
            logger.error("the demo's data could not be loaded (%s)", type(error).__name__)  # noqa: TRY400
        finally:
            self._task = None
            self.on_change(problem)
