"""What the service says of its health, and to whom."""

from __future__ import annotations

import logging

import pytest

from customerio_track_mcp.http.health import Readiness
from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox
from tests.http_service.serving import TOKEN, serving
from tests.scripted import Act, ScriptedServer, answer, close

HERE = '{"region": "us", "environment_id": 1}'


async def test_anybody_may_ask_and_nobody_learns_more_than_yes_or_no(sandbox: RunningSandbox) -> None:
    async with serving(sandbox.url, tokens=f"ann {TOKEN}") as http:
        for path, told in (("/healthz", "ok\n"), ("/readyz", "ready\n")):
            # A probe addresses the pod, by whatever name.
            reply = await http.get(path, headers={"Host": "10.0.0.7:8000"})
            assert (reply.status_code, reply.text) == (200, told)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (answer(401, "{}"), "UnauthorizedError 401"),
        (answer(503, "{}"), "UnavailableError 503"),
        (answer(301, "", Location="https://track-eu.customer.io/"), "RedirectedError 301"),
        (close, "UnavailableError"),
    ],
)
async def test_it_is_not_ready_where_the_track_api_does_not_answer_for_the_credentials(
    scripted: ScriptedServer, act: Act, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.acts = [act]
    with caplog.at_level(logging.WARNING, logger="customerio_track_mcp.http"):
        async with serving(scripted.url) as http:
            reply = await http.get("/readyz")
            assert (reply.status_code, reply.text) == (503, "not ready\n")
            assert (await http.get("/healthz")).status_code == 200
    assert [vars(record)["reason"] for record in caplog.records] == [reason]


async def test_that_it_takes_no_more_for_now_is_no_reason(scripted: ScriptedServer) -> None:
    scripted.acts = [answer(429, "{}")]
    async with serving(scripted.url) as http:
        assert (await http.get("/readyz")).status_code == 200


async def test_it_is_not_ready_without_a_site_id(scripted: ScriptedServer) -> None:
    async with serving(scripted.url, {"api_key": "key-alone"}) as http:
        assert (await http.get("/readyz")).status_code == 503
    assert scripted.requests == []


async def test_the_track_api_is_not_asked_each_time(scripted: ScriptedServer) -> None:
    scripted.acts = [answer(200, HERE)]
    async with serving(scripted.url) as http:
        for _ in range(20):
            assert (await http.get("/readyz")).status_code == 200
    assert len(scripted.requests) == 1


async def test_a_workspace_in_another_region_is_no_use() -> None:
    async def ask() -> str:
        return "WrongRegion"

    assert not await Readiness(ask).is_ready()


async def test_it_recovers_and_ends_for_good(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("customerio_track_mcp.http.health._KEPT_SECONDS", {True: 0, False: 0})
    told = ["UnavailableError", "UnavailableError", "", ""]

    async def ask() -> str:
        return told.pop(0)

    readiness = Readiness(ask)
    assert [await readiness.is_ready() for _ in range(3)] == [False, False, True]
    assert [record.getMessage() for record in caplog.records] == ["not ready", "ready again"]
    readiness.drain()
    assert not await readiness.is_ready()
    assert told == [""]


async def test_the_region_is_the_one_that_is_set() -> None:
    from customerio_track_mcp.http.health import in_the_way
    from customerio_track_mcp.track import Credentials, Region, TrackClient

    async with (
        run_sandbox(region="EU") as sandbox,
        TrackClient(Credentials("sandbox", "sandbox"), sandbox.url) as client,
    ):
        assert await in_the_way(client, Region.US) == "WrongRegion"
        assert await in_the_way(client, Region.EU) == ""
        assert await in_the_way(client, None) == ""
