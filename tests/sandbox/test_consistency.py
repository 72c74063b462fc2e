"""A page that applies the state and then each change has what a fresh state has, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any, Final

import httpx
import pytest

from customerio_track_mcp.sandbox import RunningSandbox, admin, run_sandbox
from customerio_track_mcp.sandbox.bounded_log import BoundedLog
from tests.support.sandbox_changes import next_message
from tests.support.sandbox_state import AUTH, state_of
from tests.support.waiting import wait_until

LISTS: Final = {
    "person": "people",
    "segment": "segments",
    "event": "events",
    "dropped": "dropped",
    "request": "request_log",
    "call": "calls",
}
ULIDS: Final = [f"01ARZ3NDEKTSV4RRFFQ69G5FA{character}" for character in "ABCDEFGH"]
ROUNDS: Final = 6


class Page:
    """What a page knows."""

    def __init__(self) -> None:
        self.records: dict[str, dict[object, dict[str, Any]]] = {}
        self.faults: object = None

    def apply(self, name: str, data: dict[str, Any]) -> None:
        if name == "state":
            self.records = {kind: {_key(record): record for record in data[LISTS[kind]]} for kind in LISTS}
        if name in ("state", "faults"):
            self.faults = data["faults_waiting"], data["faults"]
        if name == "change":
            self._change(data["kind"], data["key"], data["record"], data["oldest"])

    def _change(self, kind: str, key: str, record: dict[str, Any], oldest: int | None) -> None:
        records = self.records[kind]
        if oldest is None:
            records[_key(record)] = record
            return
        records[int(key)] = record | {"number": int(key)}
        # The numbers of a page are in order, and it stops at the first that is kept.
        assert list(records) == sorted(records)  # type: ignore[type-var]
        self.records[kind] = {number: kept for number, kept in records.items() if int(str(number)) >= oldest}


def _key(record: dict[str, Any]) -> object:
    return record.get("number") or record.get("cio_id") or record["id"]


class Watcher:
    """A page whose stream of changes is being read."""

    def __init__(self, url: str) -> None:
        self.page = Page()
        self._url = url

    async def follow(self) -> None:
        async with (
            httpx.AsyncClient(base_url=self._url, trust_env=False, timeout=30) as http,
            http.stream("GET", "/_sandbox/changes") as stream,
        ):
            lines = stream.aiter_lines()
            while True:
                self.page.apply(*await next_message(lines))

    def has_call(self, call_id: str) -> bool:
        return any(call["id"] == call_id for call in self.page.records.get("call", {}).values())


async def act(http: httpx.AsyncClient, sandbox: RunningSandbox, dice: random.Random) -> None:
    """Do one of the things that change the state."""
    person = f"/api/v1/customers/{dice.randrange(8)}"
    event = {"name": "bought", "id": dice.choice(ULIDS), "data": {"n": dice.randrange(2), "x": "x" * 5000}}
    fault = {"kind": dice.choice(["status", "lost_reply", "reset", "redirect"]), "count": dice.randrange(1, 3)}
    with suppress(httpx.TransportError):  # a fault
        match dice.randrange(7):
            case 0 | 1:
                await http.post(f"{person}/events", json=event)
            case 2:
                await http.put(person, json={"plan": "x" * dice.randrange(1200), "email": f"{dice.randrange(9)}@a.com"})
            case 3:
                await http.post("/api/v1/segments/1/add_customers", json={"ids": ["1", "2", "nobody"]})
            case 4:
                await http.post("/_sandbox/faults", json=fault | ({"status": 503} if fault["kind"] == "status" else {}))
            case 5:
                await http.put(person, content="{" + " " * dice.randrange(50_000))
            case 6:
                report(sandbox, f"call {dice.random()}", "x" * dice.randrange(60_000))


def report(sandbox: RunningSandbox, call_id: str, arguments: str = "") -> None:
    call = {"id": call_id, "at": 1.5, "seconds": 0.5, "tool": "send_event", "arguments": arguments}
    sandbox.record_call(call | {"result": None, "is_error": False, "outcome": "ok"})


@pytest.mark.parametrize("seed", range(4))
async def test_pages_have_what_a_fresh_state_has(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(seed)  # noqa: S311 - the order of what happens
    monkeypatch.setattr(BoundedLog.__init__, "__defaults__", (40, 300_000))  # so that old records are removed
    monkeypatch.setattr(admin, "MAX_SNAPSHOTS", 1)  # so that pages wait for their state, and for a long time
    monkeypatch.setattr(admin, "_PIECE_CHARACTERS", 1000)
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(run_sandbox())
        client = httpx.AsyncClient(base_url=sandbox.url, auth=AUTH, trust_env=False, timeout=30)
        http = await stack.enter_async_context(client)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        following: dict[asyncio.Task[None], Watcher] = {}
        for round_number in range(ROUNDS):
            acts = [act(http, sandbox, dice) for _ in range(40)]
            if dice.random() < 0.3:
                acts.append(_reset(http))
            for _ in range(3):
                watcher = Watcher(sandbox.url)
                following[tasks.create_task(watcher.follow())] = watcher
            dice.shuffle(acts)
            await asyncio.gather(*acts)
            last = f"round {round_number}"
            report(sandbox, last)
            for watcher in following.values():
                await wait_until(partial(watcher.has_call, last))
            fresh = Page()
            fresh.apply("state", await state_of(http))
            for watcher in following.values():
                assert watcher.page.records == fresh.records
                assert watcher.page.faults == fresh.faults
        for task in following:
            task.cancel()


async def _reset(http: httpx.AsyncClient) -> None:
    await http.post("/_sandbox/reset")
