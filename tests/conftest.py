"""Fixtures for all tests. Nothing here is mocked: the sandbox and the scripted server listen on real sockets."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox
from customerio_track_mcp.track import Credentials, Patience, TrackClient
from tests.scripted import ScriptedServer

IMPATIENT = Patience(first_backoff=0.001)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A test sees no CUSTOMERIO_ variable and no .env file but its own."""
    for name in list(os.environ):
        if name.upper().startswith("CUSTOMERIO_") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CUSTOMERIO_SECRETS_DIR", os.devnull)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with run_sandbox() as running:
        yield running


@pytest.fixture
async def client(sandbox: RunningSandbox) -> AsyncIterator[TrackClient]:
    """A client of the sandbox."""
    async with TrackClient(Credentials("sandbox", "sandbox"), sandbox.url, patience=IMPATIENT) as track_client:
        yield track_client


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server
