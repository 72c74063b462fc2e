"""The MCP project's scenarios of questions to a person, against a service whose tool `send_event` asks.

They call tools of the suite's own server. A proxy gives `send_event` these names; nothing else differs. The scenarios
that are not here cannot pass:

- `basic-elicitation` and `ignore-extra-params` expect a question with a key of the suite's own server. The latter also
  sends an answer without the state of a question, which this server never accepts.
- `basic-sampling`, `basic-list-roots`, `multiple-input-requests` and `capability-check` need a tool that asks for other
  things than a form; `multi-round` needs one that asks twice, `non-tool-request` a prompt that asks.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import httpx
from aiohttp import web

from tests.integration.conformance.test_conformance import NODE, SUITE, is_failed, pytestmark, read_results
from tests.support.process import environment, running, url_from_stderr
from tests.support.raw_messages import MODERN

SCENARIOS: Final = ("request-state", "tampered-state", "missing-input-response", "result-type", "validate-input")
PREFIX: Final = "test_input_required_result_"

__all__ = ["pytestmark"]


@asynccontextmanager
async def renaming_proxy(url: str) -> AsyncIterator[str]:
    """Run a proxy in which `send_event` has the names of the suite's tools; yields its URL."""

    async def forward(request: web.Request) -> web.Response:
        message = await request.json()
        headers = {
            name: value for name, value in request.headers.items() if name.lower() not in ("host", "content-length")
        }
        if str(message.get("params", {}).get("name")).startswith(PREFIX):
            message["params"] |= {"name": "send_event", "arguments": {"customer_id": "1", "event_name": "bought"}}
            headers["Mcp-Name"] = "send_event"
        response = await client.post(url, headers=headers, content=json.dumps(message))
        content_type = response.headers["content-type"].partition(";")[0]
        return web.Response(status=response.status_code, body=response.content, content_type=content_type)

    app = web.Application()
    app.router.add_post("/mcp", forward)
    runner = web.AppRunner(app)
    await runner.setup()
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
        finally:
            await runner.cleanup()


async def test_applicable_scenarios_pass(tmp_path: Path) -> None:
    environ = environment(confirm="send_event")
    with running("http", "--port", "0", "--sandbox", "--workers", "2", env=environ) as process:
        service = url_from_stderr(process, "listening on")
        async with renaming_proxy(service) as url:
            # All scenarios, since it is the suite's start that takes time.
            command = [str(NODE), str(SUITE), "server", "--url", url, "--suite", "all", "--spec-version", MODERN]
            with anyio.fail_after(300):
                await anyio.run_process([*command, "--output-dir", "results"], cwd=tmp_path, check=False)
    results = read_results(tmp_path / "results")
    for scenario in SCENARIOS:
        checks = results[f"input-required-result-{scenario}"]
        assert [check for check in checks if is_failed(check)] == [], scenario
        assert any(check["status"] == "SUCCESS" for check in checks), scenario
