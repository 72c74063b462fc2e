"""Fixtures of the tests of the sandbox's page."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.track import TrackClient
from tests.support.browser import open_page, running_browser
from tests.support.reporting_server import ReportingServer, reporting_server


@pytest.fixture(scope="package")
def anyio_backend() -> str:
    """The event loop of all tests in this folder, which share a browser."""
    return "asyncio"


@pytest.fixture(scope="package")
async def browser() -> AsyncIterator[Browser]:
    """A browser for all tests, whose pages share nothing: each has a context of its own."""
    async with running_browser() as running:
        yield running


@pytest.fixture
async def page(browser: Browser, sandbox: RunningSandbox) -> AsyncIterator[Page]:
    async with open_page(browser, sandbox.url) as opened:
        yield opened


@pytest.fixture
def tools(client: TrackClient) -> ToolHandlers:
    return ToolHandlers(client)


@pytest.fixture
async def server(sandbox: RunningSandbox) -> AsyncIterator[ReportingServer]:
    async with reporting_server(sandbox) as running:
        yield running
