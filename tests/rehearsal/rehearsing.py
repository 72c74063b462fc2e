"""A rehearsal whose agent is a test: a scenario as text, and requests over a real connection."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import httpx

from customerio_track_mcp.rehearsal import (
    Check,
    Scenario,
    Score,
    Snapshot,
    load_scenario,
    prepare,
    score,
    take_snapshot,
)
from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox

TITLE = "title: A test\nprompt: Record it.\n"
PEOPLE = """
people:
  - {id: 1042, email: ann@example.com, attributes: {plan: free, note: old}}
  - {id: 1043, attributes: {plan: free}}
"""


def scenario_of(folder: Path, text: str) -> Scenario:
    """Load a scenario, whose title and prompt are added."""
    path = folder / "scenario.yaml"
    path.write_text(TITLE + text, encoding="utf-8")
    return load_scenario(path)


class Rehearsed:
    """A sandbox that is prepared, and an agent's requests to it."""

    def __init__(self, scenario: Scenario, sandbox: RunningSandbox, start: Snapshot, client: httpx.AsyncClient) -> None:
        self.scenario = scenario
        self.sandbox = sandbox
        self.start = start
        self._client = client
        self._calls = 0

    async def send(self, method: str, path: str, body: object) -> int | None:
        """Send a request; return the status of the response, or None if there was no response."""
        content = body if isinstance(body, str) else json.dumps(body)
        try:
            response = await self._client.request(method, f"/api/v1/{path}", content=content)
        except httpx.TransportError:
            return None
        return response.status_code

    async def control(self, method: str, path: str, body: object = None) -> int:
        """Send a request to the sandbox's own endpoints; return the status of the response."""
        return (await self._client.request(method, f"/_sandbox/{path}", json=body)).status_code

    async def identify(self, person: str, **attributes: object) -> int | None:
        return await self.send("PUT", f"customers/{quote(person, safe='')}", attributes)

    async def track(self, person: str, name: str, event_id: str | None = None, **data: object) -> int | None:
        body = {"name": name, "data": data} | ({"id": event_id} if event_id else {})
        return await self.send("POST", f"customers/{quote(person, safe='')}/events", body)

    async def add_to_segment(self, segment: int, *people: str) -> int | None:
        return await self.send("POST", f"segments/{segment}/add_customers", {"ids": people})

    def report_call(self, tool: str, arguments: object, outcome: str = "ok") -> None:
        """Report a tool call that has sent nothing."""
        self._calls += 1
        fields: Mapping[str, object] = {
            "id": f"call-{self._calls}",
            "at": 0.0,
            "seconds": 0.0,
            "tool": tool,
            "arguments": arguments,
            "result": None,
            "is_error": outcome != "ok",
            "outcome": outcome,
        }
        self.sandbox.record_call(fields)

    def score(self) -> Score:
        return score(self.scenario, self.start, take_snapshot(self.sandbox))

    def findings(self) -> dict[Check, list[str]]:
        """Return the texts of the findings of each check that has found something."""
        found: dict[Check, list[str]] = {}
        for finding in self.score().findings:
            found.setdefault(finding.check, []).append(finding.text)
        return found


@asynccontextmanager
async def rehearsed(folder: Path, text: str) -> AsyncIterator[Rehearsed]:
    """Prepare a sandbox for a scenario, for as long as the block runs."""
    scenario = scenario_of(folder, text)
    async with (
        run_sandbox() as sandbox,
        httpx.AsyncClient(base_url=sandbox.url, auth=(sandbox.site_id, sandbox.api_key), timeout=30) as client,
    ):
        yield Rehearsed(scenario, sandbox, prepare(sandbox, scenario), client)
