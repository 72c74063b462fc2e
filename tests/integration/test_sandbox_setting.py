"""CUSTOMERIO_SANDBOX, for hosts that can set a variable but not add an option."""

from __future__ import annotations

import anyio
from mcp import Client

from tests.support.loaded_command import run_loaded, running_loaded
from tests.support.process import environment, stdio_parameters, url_from_stderr

SETTINGS = {"sandbox": "true", "api_key": "${user_config.api_key}", "site_id": ""}


async def check_that_a_sandbox_receives_a_call(client: Client) -> None:
    assert "This is a sandbox without real data" in (client.instructions or "")
    result = await client.call_tool("send_event", {"customer_id": "1", "event_name": "bought"})
    assert result.structured_content is not None
    assert result.structured_content["success"] is True


async def test_stdio() -> None:
    async with Client(stdio_parameters(**SETTINGS)) as client:
        await check_that_a_sandbox_receives_a_call(client)


async def test_http_with_workers() -> None:
    with running_loaded("http", "--port", "0", "--workers", "2", env=environment(**SETTINGS)) as process:
        url = await anyio.to_thread.run_sync(url_from_stderr, process, "listening on")
        async with Client(url) as client:
            await check_that_a_sandbox_receives_a_call(client)


def test_check_says_that_the_sandbox_is_used_instead_of_what_it_checked() -> None:
    completed = run_loaded("check", env=environment(sandbox="true"))
    assert completed.returncode == 1
    assert completed.stdout.startswith("FAILED: CUSTOMERIO_API_KEY is not set")
    assert "CUSTOMERIO_SANDBOX is true: a server with these settings calls a sandbox" in completed.stdout
