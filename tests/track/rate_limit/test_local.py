"""The rate limit of one process."""

from __future__ import annotations

import anyio

from customerio_track_mcp.track import RequestFailedError, RetryPolicy, TrackClient
from tests.support.scripted_server import ScriptedServer
from tests.track.failing_calls import CREDENTIALS


async def test_calls_beyond_the_rate_limit_are_delayed(scripted: ScriptedServer) -> None:
    """Of 40 concurrent calls at 5 per second, only those within the limit are sent before the time budget ends."""
    failures: list[RequestFailedError] = []
    async with TrackClient(
        CREDENTIALS, scripted.url, requests_per_second=5, retry_policy=RetryPolicy(time_budget=0.3)
    ) as client:

        async def call() -> None:
            try:
                await client.track("42", "seen")
            except RequestFailedError as error:
                failures.append(error)

        async with anyio.create_task_group() as tasks:
            for _ in range(40):
                tasks.start_soon(call)
    assert 1 <= len(scripted.requests) < 20
    assert len(failures) == 40 - len(scripted.requests)
