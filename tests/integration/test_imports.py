"""What a start does not import: hosts wait for stdio to start, and people for `--help`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Final

import pytest

from tests.support.messages import INITIALIZE
from tests.support.process import environment

PROGRAM: Final = """\
import atexit, json, os, sys

report = int(sys.argv.pop(1))
atexit.register(lambda: os.write(report, json.dumps(sorted(sys.modules)).encode()))
from customerio_track_mcp.__main__ import main

sys.exit(main())
"""
"""The command, which writes the names of the modules that it has loaded to a file descriptor before it ends."""

MESSAGES: Final = (
    INITIALIZE,
    {"method": "notifications/initialized"},
    {"id": 1, "method": "tools/list"},
)
NOT_FOR_STDIO: Final = (
    "aiohttp",
    "h11",
    "h2",
    "httpcore",
    "httpx",
    "jwt",
    "limits",
    "opentelemetry.sdk",
    "prometheus_client",
    "pydantic_settings",
    "redis",
    "tenacity",
    "tomlkit",
    "tqdm",
    "trustme",
    "yaml",
    "customerio_track_mcp.cli.chosen_sandbox",
    "customerio_track_mcp.cli.http",
    "customerio_track_mcp.cli.install",
    "customerio_track_mcp.cli.rehearse",
    "customerio_track_mcp.demo",
    "customerio_track_mcp.hosts",
    "customerio_track_mcp.http",
    "customerio_track_mcp.pytest_plugin",
    "customerio_track_mcp.rehearsal",
    "customerio_track_mcp.sandbox.server",
    "customerio_track_mcp.sandbox.track_api",
)
NOT_FOR_HELP: Final = (
    *NOT_FOR_STDIO,
    "anyio",
    "asyncio",
    "mcp",
    "opentelemetry",
    "pydantic",
    "starlette",
    "customerio_track_mcp.runtime",
    "customerio_track_mcp.settings.server",
    "customerio_track_mcp.tools",
    "customerio_track_mcp.track",
)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # To measure coverage in child processes loads modules of its own, and a proxy needs httpx.
    proxies = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", *proxies):
        monkeypatch.delenv(name, raising=False)


def loaded_modules(arguments: list[str], messages: str, status: int, **settings: str) -> tuple[set[str], str]:
    """Run the command; return the modules that it has loaded at its end, and its output."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as report:
        try:
            completed = subprocess.run(
                [sys.executable, "-c", PROGRAM, str(writer), *arguments],
                input=messages,
                env=environment(api_key="site:key", **settings),
                pass_fds=[writer],
                capture_output=True,
                encoding="utf-8",
                check=False,
            )
        finally:
            os.close(writer)
        assert completed.returncode == status, completed.stderr
        return set(json.loads(report.read())), completed.stdout


def below(modules: set[str], names: tuple[str, ...]) -> set[str]:
    """Return the modules that are one of `names`, or inside one."""
    return {module for module in modules for name in names if f"{module}.".startswith(f"{name}.")}


@pytest.mark.parametrize("arguments", [[], ["stdio"]])
@pytest.mark.parametrize("url", ["https://track-eu.customer.io", "http://127.0.0.1:9"])
def test_stdio_loads_only_what_it_needs_until_the_first_call(arguments: list[str], url: str) -> None:
    messages = "".join(f"{json.dumps({'jsonrpc': '2.0', **message})}\n" for message in MESSAGES)
    modules, output = loaded_modules(arguments, messages, status=0, track_url=url)
    assert '"tools":[' in output.splitlines()[1]
    assert "customerio_track_mcp.mcp_server" in modules
    assert below(modules, NOT_FOR_STDIO) == set()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["http", "--help"], 0),
        (["help", "rehearse"], 0),
        (["--version"], 0),
        (["htpp"], 2),
        (["http", "--port", "x"], 2),
        (["--data", "state.json"], 2),
        (["--env-file", "/missing/settings.env"], 2),
    ],
)
def test_help_and_invalid_options_load_nothing_of_the_server(arguments: list[str], status: int) -> None:
    modules, _ = loaded_modules(arguments, "", status)
    assert "customerio_track_mcp.cli.parser" in modules
    assert below(modules, NOT_FOR_HELP) == set()
