"""The demo's data, played by the page's button."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from customerio_track_mcp.sandbox import run_sandbox
from customerio_track_mcp.sandbox.demo_player import PlayDemo
from tests.support.sandbox_changes import next_message
from tests.support.sandbox_state import AUTH, state_of
from tests.support.waiting import wait_until


@asynccontextmanager
async def client_of_sandbox(play_demo: PlayDemo | None) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        run_sandbox(play_demo=play_demo) as sandbox,
        httpx.AsyncClient(base_url=sandbox.url, auth=AUTH, trust_env=False) as http,
    ):
        yield http


async def is_playing(http: httpx.AsyncClient) -> bool:
    return bool((await state_of(http))["is_playing_demo"])


async def test_demo_plays_in_the_background_once_at_a_time() -> None:
    may_end = asyncio.Event()

    async def play(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, auth=AUTH, trust_env=False) as http:
            await http.put("/api/v1/customers/1", json={})
        await may_end.wait()

    async with client_of_sandbox(play) as http:
        assert (await state_of(http))["can_play_demo"] is True
        async with http.stream("GET", "/_sandbox/changes") as stream:
            lines = stream.aiter_lines()
            assert (await next_message(lines))[1]["is_playing_demo"] is False
            response = await http.post("/_sandbox/demo")
            assert (response.status_code, response.json()) == (202, {})
            assert await next_message(lines) == ("demo", {"is_playing_demo": True, "problem": None})
            again = await http.post("/_sandbox/demo")
            assert (again.status_code, "playing already" in again.json()["meta"]["error"]) == (409, True)
            assert [(await next_message(lines))[1]["kind"] for _ in range(2)] == ["person", "request"]
            may_end.set()
            assert await next_message(lines) == ("demo", {"is_playing_demo": False, "problem": None})
        assert (await http.post("/_sandbox/demo")).status_code == 202


async def test_sandbox_without_a_demo_refuses_to_play_it() -> None:
    async with client_of_sandbox(None) as http:
        assert (await state_of(http))["can_play_demo"] is False
        assert (await http.post("/_sandbox/demo")).status_code == 404


async def test_failure_is_published_without_the_text_of_the_error(caplog: pytest.LogCaptureFixture) -> None:
    async def play(url: str) -> None:
        raise ExceptionGroup("ann@example.com", [LookupError(url)])

    async with client_of_sandbox(play) as http, http.stream("GET", "/_sandbox/changes") as stream:
        lines = stream.aiter_lines()
        await next_message(lines)
        await http.post("/_sandbox/demo")
        assert (await next_message(lines))[1]["is_playing_demo"] is True
        name, message = await next_message(lines)
        assert (name, message["is_playing_demo"]) == ("demo", False)
        expected = "the demo's data could not be loaded (ExceptionGroup); run customerio-track-mcp demo to see more"
        assert message["problem"] == expected
        assert not await is_playing(http)
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert line == "the demo's data could not be loaded (ExceptionGroup)"
    assert "Traceback" not in caplog.text


async def test_demo_ends_when_the_sandbox_stops() -> None:
    ended: list[str] = []

    async def play(url: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            async with httpx.AsyncClient(base_url=url, trust_env=False) as http:  # the sandbox still serves it
                ended.append((await http.get("/_sandbox")).json()["name"])

    async with client_of_sandbox(play) as http:
        await http.post("/_sandbox/demo")
    assert ended == ["customerio-track-mcp sandbox"]


async def test_demo_that_does_not_end_does_not_delay_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("customerio_track_mcp.sandbox.demo_player.DEMO_STOP_SECONDS", 0.01)
    may_end = asyncio.Event()

    async def play(url: str) -> None:
        del url
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                continue

    before = asyncio.all_tasks()
    async with client_of_sandbox(play) as http:
        await http.post("/_sandbox/demo")
    may_end.set()
    await asyncio.wait(asyncio.all_tasks() - before, timeout=30)


async def test_reset_while_the_demo_plays_leaves_it_playing() -> None:
    sent: list[int] = []
    was_reset = asyncio.Event()

    async def play(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, auth=AUTH, trust_env=False) as http:
            await http.post("/_sandbox/faults", json={"kind": "status", "status": 503})
            await was_reset.wait()
            sent.append((await http.put("/api/v1/customers/1", json={})).status_code)

    async with client_of_sandbox(play) as http:
        await http.post("/_sandbox/demo")

        async def has_started() -> bool:
            return bool((await state_of(http))["faults_waiting"])

        await wait_until(has_started)
        assert (await http.post("/_sandbox/reset")).status_code == 200
        was_reset.set()

        async def has_ended() -> bool:
            return not await is_playing(http)

        await wait_until(has_ended)
        state = await state_of(http)
    assert sent == [200]
    assert [entry["number"] for entry in state["request_log"]] == [1]
