"""Without credentials the server starts, lists its tools, and says what is missing, at startup and in every result."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client

from tests.support.loaded_command import run_loaded, running_loaded
from tests.support.process import environment, stdio_parameters, terminate, url_from_stderr

CALLS: Mapping[str, dict[str, Any]] = {
    "create_or_update_customer": {"customer_id": "1", "email": "ann@example.com"},
    "send_event": {"customer_id": "1", "event_name": "bought"},
    "add_customers_to_segment": {"segment_id": "1", "customer_ids": ["1"]},
}
API_KEY, SITE_ID = "CUSTOMERIO_API_KEY is not set", "CUSTOMERIO_SITE_ID is not set"
CASES = [
    ({}, f"{API_KEY} and {SITE_ID}"),
    ({"site_id": "site"}, API_KEY),
    ({"api_key": "key"}, SITE_ID),
]


async def check_every_call(client: Client, missing: str) -> None:
    assert [tool.name for tool in (await client.list_tools()).tools] == list(CALLS)
    for tool, arguments in CALLS.items():
        for given in (arguments, {}):
            result = await client.call_tool(tool, given)
            assert result.is_error
            payload = result.structured_content
            assert payload["success"] is False
            assert payload["error"].startswith(
                f"Nothing was sent. {missing}. Set CUSTOMERIO_SITE_ID and CUSTOMERIO_API"
            )


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize(("settings", "missing"), CASES)
async def test_stdio(mode: str, settings: dict[str, str], missing: str) -> None:
    async with Client(stdio_parameters(**settings), mode=mode) as client:
        await check_every_call(client, missing)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize(("settings", "missing"), CASES)
async def test_http(mode: str, settings: dict[str, str], missing: str) -> None:
    with running_loaded("http", "--port", "0", env=environment(**settings)) as process:
        first = await anyio.to_thread.run_sync(process.stderr.readline)
        assert first.startswith(f"customerio-track-mcp: {missing}; every call fails")
        url = await anyio.to_thread.run_sync(url_from_stderr, process, "listening on")
        async with Client(url, mode=mode) as client:
            await check_every_call(client, missing)
        async with httpx.AsyncClient(trust_env=False, base_url=url.removesuffix("/mcp"), timeout=30) as http:
            assert (await http.get("/healthz")).status_code == 200
            assert (await http.get("/readyz")).status_code == 503
            metrics = (await http.get("/metrics")).text
        log = await terminate(process)
    assert 'tool_calls_total{outcome="no_credentials",tool="send_event"} 2.0' in metrics
    assert "not ready reason=MissingCredentialsError" in log
    assert "Traceback" not in log


@pytest.mark.parametrize("arguments", [[], ["stdio"], ["http", "--port", "0", "--workers", "2"]])
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_is_missing_is_reported_once_at_startup(arguments: list[str], log_format: str) -> None:
    with running_loaded(*arguments, env=environment(log_format=log_format)) as process:
        lines = [process.stderr.readline()]
        if "http" in arguments:
            lines.append(process.stderr.readline())
            process.terminate()
        process.stdin.close()
        lines += process.stderr.readlines()
        assert process.wait(timeout=60) == 0
    texts = [json.loads(line)["event"] if log_format == "json" else line for line in lines]
    (text,) = [text for text in texts if "is not set" in text]
    assert f"{API_KEY} and {SITE_ID}; every call fails" in text
    assert "try --sandbox" in text


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_is_missing_is_reported_at_every_log_level(log_format: str) -> None:
    process = run_loaded(env=environment(log_format=log_format, log_level="error"))
    assert process.returncode == 0
    assert f"{API_KEY} and {SITE_ID}; every call fails" in process.stderr


def test_nothing_is_missing_in_a_sandbox() -> None:
    completed = run_loaded("--sandbox")
    assert completed.returncode == 0
    assert "is not set" not in completed.stderr


@pytest.mark.parametrize(("settings", "missing"), CASES)
def test_check_says_what_is_missing_and_fails(settings: dict[str, str], missing: str) -> None:
    completed = run_loaded("check", env=environment(**settings))
    assert completed.returncode == 1
    assert completed.stdout.startswith(f"FAILED: {missing}. ")
    assert completed.stderr == ""


@pytest.mark.parametrize("arguments", [[], ["stdio"], ["http"]])
@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"region": "mars"}, ["CUSTOMERIO_REGION"]),
        ({"api_key": "${CUSTOMERIO_API_KEY}"}, ["CUSTOMERIO_API_KEY"]),
        ({"api_key": '"site:key"', "site_id": "<your-site-id>"}, ["CUSTOMERIO_API_KEY", "CUSTOMERIO_SITE_ID"]),
    ],
)
def test_malformed_settings_still_prevent_startup(
    arguments: list[str], settings: dict[str, str], names: list[str]
) -> None:
    completed: subprocess.CompletedProcess[str] = run_loaded(*arguments, env=environment(**settings))
    assert (completed.returncode, completed.stdout) == (2, "")
    assert [line.split(": ")[1] for line in completed.stderr.splitlines()] == names
