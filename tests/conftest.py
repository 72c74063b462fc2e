"""Fixtures for all tests. Nothing is mocked: the sandbox and the scripted server listen on real sockets."""

import logging
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox
from customerio_track_mcp.track import Credentials, TrackClient
from tests.support.clients import FAST_RETRIES
from tests.support.scripted_server import ScriptedServer

# On a busy machine, an example may take longer than hypothesis' 200 ms.
settings.register_profile("without a deadline", deadline=None)
settings.load_profile("without a deadline")

LONGEST: Final = (
    "test_unread_stderr",
    "test_scenarios",
    "test_accessibility",
    "test_fuzz",
    "test_http",
    "test_stdio",
    "test_replicas",
    "test_demo",
    "test_supervisor",
    "test_rehearse",
    "test_traces",
    "test_sandbox_snippets",
    "test_cli",
    "test_sandbox_bounds",
    "test_consistency",
    "test_deployment_guide",
    "test_many_entries",
    "test_dockerfile",
    "test_makefile",
    "test_benchmarks",
    "test_keyboard",
    "test_entry",
    "test_working_directory",
    "test_sandbox_tls",
    "test_startup_signals",
)
"""The modules that take longest, in this order: `make test ARGS=--durations=0` shows it."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Return three processes of tests for two cores: one of them often waits for a server."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return cores * 3 // 2


def pytest_configure(config: pytest.Config) -> None:
    """Let the processes take modules in the order of `pytest_collection_modifyitems`, not by their number of tests."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run long modules first: one that starts last would leave the other cores idle."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))


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
