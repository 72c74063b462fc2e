"""Fixtures for all tests. Nothing is mocked: the sandbox and the scripted server listen on real sockets."""

import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox
from customerio_track_mcp.track import Credentials, TrackClient
from tests.support.clients import FAST_RETRIES
from tests.support.scripted_server import ScriptedServer

# On a busy machine, an example may take longer than hypothesis' 200 ms.
settings.register_profile("without a deadline", deadline=None)
settings.load_profile("without a deadline")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _isolated_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the developer's settings, proxies and .env file, so that a test sees only its own."""
    for name in list(os.environ):
        if name.upper().startswith("CUSTOMERIO_") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CUSTOMERIO_SECRETS_DIR", os.devnull)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(params=["h11", "httptools"])
def http_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _isolated_settings: None) -> str:
    """The parser of HTTP requests, for services in this process and in others."""
    parser: str = request.param
    monkeypatch.setenv("CUSTOMERIO_HTTP_PARSER", parser)
    return parser


@pytest.fixture(autouse=True)
def _isolated_logging() -> Iterator[None]:
    """Undo `configure_logging`, which commands call: later tests in this process read the log at its usual levels."""
    loggers = [logging.root, *(logging.getLogger(name) for name in list(logging.root.manager.loggerDict))]
    levels, handlers = [logger.level for logger in loggers], list(logging.root.handlers)
    yield
    for handler in list(logging.root.handlers):
        if handler not in handlers:
            logging.root.removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with run_sandbox() as running:
        yield running


@pytest.fixture
async def client(sandbox: RunningSandbox) -> AsyncIterator[TrackClient]:
    """A client of the sandbox."""
    async with TrackClient(Credentials("sandbox", "sandbox"), sandbox.url, retry_policy=FAST_RETRIES) as track_client:
        yield track_client


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server
