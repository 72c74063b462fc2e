"""The steps of the demo, and the check that the sandbox recorded exactly what the tools confirmed."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import httpx
from mcp import Client, StdioServerParameters
from tqdm import tqdm

from customerio_track_mcp.demo.customers import read_customers
from customerio_track_mcp.sandbox import SANDBOX_API_KEY, SANDBOX_SITE_ID, run_sandbox

_SEGMENT: Final = "2"
_RETRIED: Final = "retried after "
"""The prefix of the names of the events that are sent while a fault is injected."""

PrintLine = Callable[[str], None]


async def run_demo(print_line: PrintLine) -> int:
    """Start a sandbox and run the demo against it.

    Args:
        print_line: called with each line of output.

    Returns:
        0 if the sandbox recorded exactly what the tools confirmed; 1 otherwise, after printing the differences.
    """
    async with run_sandbox() as sandbox:
        print_line(f"Started a sandbox Track API at {sandbox.url} (no account, no real data).")
        return await run_scenario(sandbox.url, print_line)


async def run_scenario(sandbox_url: str, print_line: PrintLine) -> int:
    """Run the demo against a sandbox that is already running; see `run_demo`."""
    async with httpx.AsyncClient(base_url=sandbox_url, trust_env=False) as sandbox_http:
        async with Client(_server_process(sandbox_url)) as client:
            print_line(f"Started the MCP server and connected over stdio (MCP {client.protocol_version}). Its tools:")
            for tool in (await client.list_tools()).tools:
                print_line(f"  {tool.name}: {tool.title}")
            scenario = _Scenario(client, sandbox_http, print_line)
            await scenario.load()
            await scenario.inject_faults()
            await scenario.send_invalid_arguments()
        return await scenario.verify()


def _server_process(track_url: str) -> StdioServerParameters:
    settings = {
        "CUSTOMERIO_TRACK_URL": track_url,
        "CUSTOMERIO_SITE_ID": SANDBOX_SITE_ID,
        "CUSTOMERIO_API_KEY": SANDBOX_API_KEY,
        "CUSTOMERIO_LOG_LEVEL": "ERROR",
        "CUSTOMERIO_SECRETS_DIR": os.devnull,
    }
    # The user's settings for a real workspace must not affect the demo. CUSTOMERIO_ENV_FILE is one of them.
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("CUSTOMERIO_")}
    return StdioServerParameters(
        command=sys.executable,
        # -P: import nothing from the working directory.
        args=["-P", "-m", "customerio_track_mcp", "stdio"],
        env=inherited | settings,
    )


class _Scenario:
    def __init__(self, client: Client, sandbox: httpx.AsyncClient, print_line: PrintLine) -> None:
        self._client = client
        self._sandbox = sandbox
        self._print_line = print_line
        self._customers = read_customers()
        self._confirmed: Counter[str] = Counter()
        self._failures: list[str] = []

    async def load(self) -> None:
        self._print_line("Load example data:")
        ids = [customer["customer_id"] for customer in self._customers]
        await self._call_all("customers", "create_or_update_customer", self._customers)
        await self._call_all("sign-up events", "send_event", [_signed_up(customer) for customer in self._customers])
        await self._call_all("page views", "send_event", [_page_view(customer_id) for customer_id in ids[::2]])
        segment_members = {"segment_id": _SEGMENT, "customer_ids": ids[::3]}
        await self._call_all("segment members", "add_customers_to_segment", [segment_members])

    async def inject_faults(self) -> None:
        for fault, name, description in (
            ({"kind": "status", "status": 503}, "503", "the next request fails with 503. The server retries."),
            (
                {"kind": "lost_reply"},
                "lost response",
                "the next event is recorded, but the response is lost. The server retries with the same event id, so "
                "that the event is not recorded twice.",
            ),
        ):
            self._print_line(f"Inject a fault: {description}")
            (await self._sandbox.post("/_sandbox/faults", json=fault)).raise_for_status()
            payload = await self._call("send_event", {"customer_id": "1001", "event_name": f"{_RETRIED}{name}"})
            self._print_line(f"  send_event returns: {payload['message'] or payload['error']}")

    async def send_invalid_arguments(self) -> None:
        arguments = {
            "customer_id": "1001",
            "email": "amelie.durand@ateliers-durand.example",
            "created_at": 1672560000000,
            "attributes": {"unsubscribed": True},
        }
        self._print_line(f"Call create_or_update_customer with invalid arguments: {json.dumps(arguments)}")
        result = await self._client.call_tool("create_or_update_customer", arguments)
        error = result.structured_content["error"]
        self._print_line(f"  It returns an error (isError {str(result.is_error).lower()}) to the model: {error}")

    async def verify(self) -> int:
        state = (await self._sandbox.get("/_sandbox/state")).json()
        segment = next(segment for segment in state["segments"] if segment["id"] == int(_SEGMENT))
        events = Counter(event["name"] for event in state["events"])
        people, requests = len(state["people"]), state["requests"]
        self._print_line("The sandbox recorded:")
        self._print_line(f"  {people} people, {events.total()} events in {requests} requests")
        self._print_line(f"  {len(segment['members'])} people in segment {_SEGMENT} ({segment['name']})")
        for dropped in state["dropped"]:
            self._print_line(f"  dropped: {dropped['what']} for {dropped['identifier']}: {dropped['reason']}")
        recorded = {
            "create_or_update_customer": people,
            "send_event": events.total(),
            "segment members": len(segment["members"]),
        }
        differences = [
            f"{what}: the tools confirmed {self._confirmed[what]}, the sandbox recorded {number}"
            for what, number in recorded.items()
            if number != self._confirmed[what]
        ]
        differences += [
            f"event {name!r} was recorded {number} times"
            for name, number in events.items()
            if name.startswith(_RETRIED) and number != 1
        ]
        for problem in [*self._failures, *differences]:
            self._print_line(f"FAILED: {problem}")
        if self._failures or differences:
            return 1
        self._print_line("Passed: everything that the tools confirmed was recorded exactly once, and nothing else.")
        return 0

    async def _call_all(self, what: str, tool: str, calls: Sequence[Mapping[str, Any]]) -> None:
        for arguments in tqdm(calls, desc=f"{what:>15}", disable=None, leave=False):
            await self._call(tool, arguments)
        self._print_line(f"  {what}: {len(calls)} {'call' if len(calls) == 1 else 'calls'} of {tool}")

    async def _call(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        payload: dict[str, Any] = (await self._client.call_tool(tool, dict(arguments))).structured_content or {}
        if not payload.get("success"):
            self._failures.append(f"{tool}: {payload.get('error')}")
        elif tool == "add_customers_to_segment":
            self._confirmed["segment members"] += payload["customer_count"]
        else:
            self._confirmed[tool] += 1
        return payload


def _signed_up(customer: Mapping[str, Any]) -> dict[str, Any]:
    plan = customer["attributes"]["plan"]
    return {"customer_id": customer["customer_id"], "event_name": "signed_up", "data": {"plan": plan, "source": "demo"}}


def _page_view(customer_id: str) -> dict[str, Any]:
    return {"customer_id": customer_id, "event_name": "https://shop.example/pricing", "event_type": "page"}
