"""`CUSTOMERIO_TRACK_URL` as vendor SDKs write it."""

from __future__ import annotations

import pytest

from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import Region
from tests.support.http_service import call, payload_in, running_service
from tests.support.scripted_server import ScriptedServer


@pytest.mark.parametrize(
    ("url", "base_url"),
    [
        ("https://track.customer.io/api/v1", "https://track.customer.io"),
        ("https://track.customer.io/api/v1/", "https://track.customer.io"),
        ("https://track.customer.io/api/v1//", "https://track.customer.io"),
        ("https://track.customer.io//api/v1", "https://track.customer.io"),
        (" https://track-eu.customer.io/API/V1 ", "https://track-eu.customer.io"),
        ("https://track.customer.io:443/api/v1", "https://track.customer.io:443"),
        ("https://track.customer.io/", "https://track.customer.io"),
        ("https://track.customer.io", "https://track.customer.io"),
        ("https://gateway.example.com/customerio/api/v1", "https://gateway.example.com/customerio"),
        ("https://gateway.example.com/a/b/Api/V1/", "https://gateway.example.com/a/b"),
        ("https://gateway.example.com/customerio/", "https://gateway.example.com/customerio"),
        ("http://127.0.0.1:8765/api/v1", "http://127.0.0.1:8765"),
        ("http://[::1]:8765/api/v1/", "http://[::1]:8765"),
        # Nothing else is taken away.
        ("https://api/v1", "https://api/v1"),
        ("https://gateway.example.com/myapi/v1", "https://gateway.example.com/myapi/v1"),
        ("https://gateway.example.com/api/v1/customerio", "https://gateway.example.com/api/v1/customerio"),
        ("https://gateway.example.com/api/v2", "https://gateway.example.com/api/v2"),
        ("https://gateway.example.com/api", "https://gateway.example.com/api"),
    ],
)
def test_api_path_at_the_end_is_not_part_of_the_base_url(
    monkeypatch: pytest.MonkeyPatch, url: str, base_url: str
) -> None:
    monkeypatch.setenv("CUSTOMERIO_TRACK_URL", url)
    assert Settings.from_environment().base_url == base_url


@pytest.mark.parametrize("region", list(Region))
def test_the_host_of_a_region_is_recognized_with_the_api_path(region: Region) -> None:
    """`/readyz` checks the region of the workspace if the base URL is the region's."""
    settings = Settings(region=region, track_url=f"{region.track_url}/api/v1/")
    assert settings.base_url == region.track_url


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/", "/gateway/api/v1"])
async def test_calls_reach_the_track_api(scripted: ScriptedServer, path: str) -> None:
    settings = Settings(track_url=f"{scripted.url}{path}")
    async with running_service(settings.base_url) as http:
        assert payload_in(await http.post("/mcp", json=call()))["success"]
    (request,) = scripted.requests
    assert request.target == f"{path.rstrip('/').removesuffix('/api/v1')}/api/v1/customers/1/events"
