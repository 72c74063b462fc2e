"""Fixtures for the tests of the sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from customerio_track_mcp.sandbox import RunningSandbox


@pytest.fixture
async def http(sandbox: RunningSandbox) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the sandbox with its credentials."""
    async with httpx.AsyncClient(base_url=sandbox.url, auth=("sandbox", "sandbox"), trust_env=False) as client:
        yield client
