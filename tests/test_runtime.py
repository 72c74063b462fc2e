"""The rate limiter that the settings ask for."""

from __future__ import annotations

import anyio
import pytest

from customerio_track_mcp.runtime import Upstream, open_rate_limiter
from customerio_track_mcp.settings.base import SettingsError
from customerio_track_mcp.settings.server import Settings


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:x/0",
        "redis://[::1/0",
        "redis://localhost/0?ssl_cert_reqs=none",
        "redis://localhost/0?timeout=3",
        "redis://localhost/0?ssl=true",
        "redis://:6379",
    ],
)
async def test_invalid_storage_url_is_reported_without_its_password(url: str) -> None:
    settings = Settings(api_key="site:key", rate_limit_storage=url.replace("//", "//user:secret@"))
    with pytest.raises(SettingsError, match="CUSTOMERIO_RATE_LIMIT_STORAGE: invalid URL: expected redis://") as caught:
        async with open_rate_limiter(Upstream(settings, "http://127.0.0.1:1")):
            pass
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("overrides", [{"replicas": 4}, {}])
async def test_in_memory_limit_is_divided_by_replicas_and_processes(overrides: dict[str, int]) -> None:
    settings = Settings(api_key="site:key", rate_limit=40, **overrides)  # type: ignore[arg-type]
    processes = 1 if overrides else 4
    async with open_rate_limiter(Upstream(settings, "http://127.0.0.1:1"), processes=processes) as limiter:
        started = anyio.current_time()
        for _ in range(11):
            await limiter.acquire()
        assert anyio.current_time() - started >= 0.9
