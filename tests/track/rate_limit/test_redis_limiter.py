"""The shared rate limit, as far as it can be tested without Redis; see tests/integration/test_redis_limiter.py."""

from __future__ import annotations

import pytest

from customerio_track_mcp.runtime import open_rate_limiter
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import Credentials, TrackClient
from customerio_track_mcp.track.rate_limit.redis_limiter import _per_window
from customerio_track_mcp.upstream import Upstream
from tests.support.scripted_server import ScriptedServer

LOST = "rate budget storage lost: this process keeps to its share"


async def test_calls_succeed_if_redis_is_unreachable_from_the_start(
    scripted: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(api_key="site:key", rate_limit_storage="redis://user:secret-password@127.0.0.1:1/0")
    async with (
        open_rate_limiter(Upstream(settings, scripted.url)) as limiter,
        TrackClient(Credentials("site", "key"), scripted.url, rate_limiter=limiter) as client,
    ):
        for _ in range(3):
            await client.track("1", "seen")
    assert [record.getMessage() for record in caplog.records].count(LOST) == 1
    assert "secret-password" not in caplog.text


@pytest.mark.parametrize(
    ("rate", "requests", "seconds"),
    [(100, 100, 1), (1, 1, 1), (2.5, 2, 1), (99_999.7, 99_999, 1), (0.5, 1, 2), (0.3, 1, 4), (1e-3, 1, 1000)],
)
def test_window_never_allows_more_than_the_rate(rate: float, requests: int, seconds: int) -> None:
    window = _per_window(rate)
    assert (window.amount, window.get_expiry()) == (requests, seconds)
