"""What the demo does, step by step, and whether the other side saw what the client was told."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
from mcp import Client, StdioServerParameters
from tqdm import tqdm

from customerio_track_mcp.demo.customers import read_customers
from customerio_track_mcp.sandbox import SANDBOX_API_KEY, SANDBOX_SITE_ID, run_sandbox

_SEGMENT: Final = "2"

Tell = Callable[[str], None]
Calls = Iterable[tuple[str, Mapping[str, Any]]]


async def run_demo(tell: Tell) -> int:
    """Load the example customers into a sandbox through the real server, meet two faults and one mistake.

    Returns:
        0 where the sandbox holds what the tools said; 1 where it does not, and then what differs is told.
    """
    async with run_sandbox() as sandbox:
        tell(f"Sandbox Track API at {sandbox.url} - no account, no real data.")
        return await tell_story(sandbox.url, tell)


async def tell_story(sandbox_url: str, tell: Tell) -> int:
    """The demo against a sandbox that runs already; see `run_demo`."""
    async with httpx.AsyncClient(base_url=sandbox_url, trust_env=False) as sandbox_http:
        async with Client(_server_process(sandbox_url)) as client:
            tell(f"Connected to the server over stdio, MCP {client.protocol_version}. Its tools:")
            for tool in (await client.list_tools()).tools:
                tell(f"  {tool.name} - {tool.title}")
            story = _Story(client, sandbox_http, tell)
            await story.load()
            await story.meet_faults()
            await story.make_a_mistake()
        return await story.compare()


def _server_process(track_url: str) -> StdioServerParameters:
    settings = {
        "CUSTOMERIO_TRACK_URL": track_url,
        "CUSTOMERIO_SITE_ID": SANDBOX_SITE_ID,
        "CUSTOMERIO_API_KEY": SANDBOX_API_KEY,
        "CUSTOMERIO_LOG_LEVEL": "ERROR",
        "CUSTOMERIO_SECRETS_DIR": os.devnull,
    }
    # Whatever the reader has set up for a real workspace, in the environment or a .env file, is not for the demo.
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("CUSTOMERIO_")}
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "customerio_track_mcp", "stdio"],
        env=inherited | settings,
        cwd=Path(__file__).parent,
    )


class _Story:
    def __init__(self, client: Client, sandbox: httpx.AsyncClient, tell: Tell) -> None:
        self._client = client
        self._sandbox = sandbox
        self._tell = tell
        self._customers = read_customers()
        self._confirmed: Counter[str] = Counter()
        self._failed: list[str] = []

    async def load(self) -> None:
        ids = [customer["customer_id"] for customer in self._customers]
        await self._call_all("customers", [("create_or_update_customer", customer) for customer in self._customers])
        await self._call_all("events", [("send_event", _signed_up(customer)) for customer in self._customers])
        await self._call_all("page views", [("send_event", _page_view(customer_id)) for customer_id in ids[::2]])
        guests = {"segment_id": _SEGMENT, "customer_ids": ids[::3]}
        await self._call_all("segment", [("add_customers_to_segment", guests)])

    async def meet_faults(self) -> None:
        for fault, words in (
            ({"kind": "status", "status": 503}, "a 503 is on its way"),
            ({"kind": "lost_reply"}, "the next reply will be lost after the event was recorded"),
        ):
            (await self._sandbox.post("/_sandbox/faults", json=fault)).raise_for_status()
            payload = await self._call("send_event", {"customer_id": "1001", "event_name": f"met {fault['kind']}"})
            self._tell(f"Fault: {words}. The model reads: {payload['message'] or payload['error']}")

    async def make_a_mistake(self) -> None:
        mistake = {
            "customer_id": "1001",
            "email": "amelie.durand@ateliers-durand.example",
            "created_at": 1672560000000,
            "attributes": {"unsubscribed": True},
        }
        result = await self._client.call_tool("create_or_update_customer", mistake)
        self._tell(f"A mistake: create_or_update_customer {json.dumps(mistake)}")
        self._tell(f"  isError {str(result.is_error).lower()}; the model reads: {result.structured_content['error']}")

    async def compare(self) -> int:
        state = (await self._sandbox.get("/_sandbox/state")).json()
        guests = next(segment for segment in state["segments"] if segment["id"] == int(_SEGMENT))
        names = Counter(event["name"] for event in state["events"])
        self._tell("What arrived at the other side:")
        self._tell(f"  {len(state['people'])} people, {len(state['events'])} events in {state['requests']} requests")
        self._tell(f"  {len(guests['members'])} people in segment {_SEGMENT}, {guests['name']}")
        for dropped in state["dropped"]:
            self._tell(f"  not recorded: {dropped['what']} - {dropped['reason']}")
        arrived = {
            "create_or_update_customer": len(state["people"]),
            "send_event": len(state["events"]),
            "segment members": len(guests["members"]),
        }
        differences = [
            f"{what}: the tools confirmed {self._confirmed[what]}, the sandbox holds {number}"
            for what, number in arrived.items()
            if number != self._confirmed[what]
        ]
        differences += [
            f"{name!r} was recorded {names[name]} times" for name in names if "met " in name and names[name] != 1
        ]
        for problem in [*self._failed, *differences]:
            self._tell(f"FAILED: {problem}")
        if not self._failed and not differences:
            self._tell("Everything that a tool confirmed is there once, and nothing else.")
        return 1 if self._failed or differences else 0

    async def _call_all(self, what: str, calls: Calls) -> None:
        listed = list(calls)
        for tool, arguments in tqdm(listed, desc=f"{what:>10}", disable=None, leave=False):
            await self._call(tool, arguments)
        self._tell(f"Sent {what}: {len(listed)} {'call' if len(listed) == 1 else 'calls'}")

    async def _call(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        payload: dict[str, Any] = (await self._client.call_tool(tool, dict(arguments))).structured_content or {}
        if not payload.get("success"):
            self._failed.append(f"{tool}: {payload.get('error')}")
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
