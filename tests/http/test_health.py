"""The endpoints `/healthz` and `/readyz`."""

from __future__ import annotations

import logging

import pytest

from customerio_track_mcp.http.health import Readiness, readiness_failure
from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox
from customerio_track_mcp.track import Credentials, Region, TrackClient
from tests.support.http_service import TOKEN, running_service
from tests.support.scripted_server import Act, ScriptedServer, close, respond

REGION_RESPONSE = '{"region": "us", "environment_id": 1}'


async def test_both_endpoints_need_no_authentication_and_reveal_no_details(sandbox: RunningSandbox) -> None:
    async with running_service(sandbox.url, tokens=f"ann {TOKEN}") as http:
        for path, text in (("/healthz", "ok\n"), ("/readyz", "ready\n")):
            # A probe may use any hostname, such as the pod's address.
            response = await http.get(path, headers={"Host": "10.0.0.7:8000"})
            assert (response.status_code, response.text) == (200, text)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (respond(401, "{}"), "UnauthorizedError 401"),
        (respond(503, "{}"), "UnavailableError 503"),
        (respond(301, "", Location="https://track-eu.customer.io/"), "RedirectedError 301"),
        (close, "UnavailableError"),
    ],
)
async def test_service_is_not_ready_if_the_track_api_does_not_accept_the_credentials(
    scripted: ScriptedServer, act: Act, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.acts = [act]
    with caplog.at_level(logging.WARNING, logger="customerio_track_mcp.http"):
        async with running_service(scripted.url) as http:
            response = await http.get("/readyz")
            assert (response.status_code, response.text) == (503, "not ready\n")
            assert (await http.get("/healthz")).status_code == 200
    assert [vars(record)["reason"] for record in caplog.records] == [reason]


async def test_service_is_ready_while_the_track_api_limits_its_rate(scripted: ScriptedServer) -> None:
    scripted.acts = [respond(429, "{}")]
    async with running_service(scripted.url) as http:
        assert (await http.get("/readyz")).status_code == 200


async def test_service_is_not_ready_without_a_site_id(scripted: ScriptedServer) -> None:
    async with running_service(scripted.url, {"api_key": "key-alone"}) as http:
        assert (await http.get("/readyz")).status_code == 503
    assert scripted.requests == []


async def test_result_of_the_probe_is_cached(scripted: ScriptedServer) -> None:
    scripted.acts = [respond(200, REGION_RESPONSE)]
    async with running_service(scripted.url) as http:
        for _ in range(20):
            assert (await http.get("/readyz")).status_code == 200
    assert len(scripted.requests) == 1


async def test_service_is_not_ready_if_the_probe_returns_a_reason() -> None:
    async def probe() -> str:
        return "WrongRegion"

    assert not await Readiness(probe).is_ready()


async def test_readiness_recovers_and_draining_ends_it_for_good(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("customerio_track_mcp.http.health._VALID_SECONDS", {True: 0, False: 0})
    failures = ["UnavailableError", "UnavailableError", "", ""]

    async def probe() -> str:
        return failures.pop(0)

    readiness = Readiness(probe)
    assert [await readiness.is_ready() for _ in range(3)] == [False, False, True]
    assert [record.getMessage() for record in caplog.records] == ["not ready", "ready again"]
    readiness.drain()
    assert not await readiness.is_ready()
    assert failures == [""]


async def test_workspace_must_be_in_the_configured_region() -> None:
    async with (
        run_sandbox(region="EU") as sandbox,
        TrackClient(Credentials("sandbox", "sandbox"), sandbox.url) as client,
    ):
        assert await readiness_failure(client, Region.US) == "WrongRegion"
        assert await readiness_failure(client, Region.EU) == ""
        assert await readiness_failure(client, None) == ""
