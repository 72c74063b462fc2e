"""Everything in this folder starts subprocesses, and is marked as slow."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.scripted_server import ScriptedServer

# They use POSIX signals, process groups and descriptors.
collect_ignore_glob = ["*.py"] if sys.platform == "win32" else []

FOLDER = Path(__file__).parent

WITHOUT_COVERAGE: Final = frozenset(
    {
        "test_arbitrary_messages",
        "test_benchmarks",
        "test_check",
        "test_ci_examples",
        "test_conformance",
        "test_converters",
        "test_demo",
        "test_env_file",
        "test_fuzz",
        "test_log_level",
        "test_logs",
        "test_memory",
        "test_message_forms",
        "test_missing_credentials",
        "test_network_settings",
        "test_node",
        "test_one_sandbox",
        "test_privacy",
        "test_redis_memory",
        "test_rehearse",
        "test_replicas",
        "test_sandbox_bounds",
        "test_sandbox_setting",
        "test_secrets",
        "test_startup_signals",
        "test_supervisor",
        "test_unread_stderr",
        "test_working_directory",
    }
)
"""Modules whose subprocesses run without coverage, which nearly doubles their CPU time.

They repeat what is measured elsewhere, with many inputs or in many ways, are not about the package's own lines, or
record every file that is written. Since nothing is counted for them, the report can show
less than the tests run, never more.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="module", autouse=True)
def _coverage_of_subprocesses(request: pytest.FixtureRequest) -> Iterator[None]:
    """Start the subprocesses of some modules without coverage, which they find in these variables."""
    with pytest.MonkeyPatch.context() as environment:
        if request.path.stem in WITHOUT_COVERAGE:
            environment.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
            environment.delenv("COVERAGE_PROCESS_START", raising=False)
        yield


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedServer]:
    """A scripted server for servers that run as subprocesses, whose reports of calls look for a sandbox."""
    async with ScriptedServer(hides_lookups=True) as server:
        yield server


@pytest.fixture(autouse=True)
def _sandbox_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep servers with `--sandbox` from using one that another test or the developer has started."""
    monkeypatch.setenv("CUSTOMERIO_SANDBOX_PORT", "0")
