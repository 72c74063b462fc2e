"""The endpoints `/healthz` and `/readyz`."""

from __future__ import annotations

import logging

import pytest

from customerio_track_mcp.http.health import ProbeResult, Readiness, probe_upstream
from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox
from customerio_track_mcp.track import Credentials, Region, TrackClient
from tests.support.http_service import TOKEN, call, payload_in, running_service
from tests.support.scripted_server import Act, ScriptedServer, close, hang, respond

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
        (respond(301, "", Location="https://track-eu.customer.io/"), "RedirectedError 301"),
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
            assert "upstream_reachable 1.0" in (await http.get("/metrics")).text
    assert [vars(record)["reason"] for record in caplog.records] == [reason]


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (respond(500, "{}"), "UnavailableError 500"),
        (respond(503, "<html>"), "UnavailableError 503"),
        (respond(429, "{}"), "RateLimitedError 429"),
        (respond(403, "<html>"), "InterceptedError 403"),
        (respond(302, "", Location="https://login.example/"), "RedirectedError 302"),
        (respond(200, "<html>"), "InterceptedError 200"),
        (respond(200, "{}"), "NoRegion"),
        (close, "UnavailableError"),
        (hang, "TimeBudgetExceededError"),
    ],
)
async def test_outage_of_the_track_api_is_a_gauge_and_one_line_and_callers_get_the_payload(
    scripted: ScriptedServer, act: Act, reason: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every replica would be taken out at the same time, and callers would get a load balancer's 503."""
    monkeypatch.setattr("customerio_track_mcp.http.service._PROBE_TIMEOUT", 0.2)
    monkeypatch.setattr("customerio_track_mcp.http.health._VALID_SECONDS", {True: 0, False: 0})
    scripted.acts = [act, act, respond(503, "{}"), respond(200, REGION_RESPONSE)]
    with caplog.at_level(logging.WARNING, logger="customerio_track_mcp.http"):
        async with running_service(scripted.url, {"max_attempts": 1}) as http:
            for _ in range(2):
                response = await http.get("/readyz")
                assert (response.status_code, response.text) == (200, "ready\n")
            assert "upstream_reachable 0.0" in (await http.get("/metrics")).text
            payload = payload_in(await http.post("/mcp", json=call()))
            assert (payload["success"], payload["customer_id"]) == (False, "1")
            assert "unknown" in payload["error"]
            assert (await http.get("/readyz")).status_code == 200
            assert "upstream_reachable 1.0" in (await http.get("/metrics")).text
    lines = [(record.getMessage(), vars(record).get("reason")) for record in caplog.records]
    assert lines == [("upstream away", reason), ("upstream back", None)]


async def test_service_is_not_ready_without_a_site_id(scripted: ScriptedServer) -> None:
    async with running_service(scripted.url, {"api_key": "key-alone"}) as http:
        assert (await http.get("/readyz")).status_code == 503
    assert scripted.requests == []


@pytest.mark.parametrize("api_key", ["sandbox:sandbox", "key-alone"])
async def test_service_is_ready_in_a_dry_run_without_asking(scripted: ScriptedServer, api_key: str) -> None:
    async with running_service(scripted.url, {"api_key": api_key, "dry_run": True}) as http:
        for _ in range(2):
            response = await http.get("/readyz")
            assert (response.status_code, response.text) == (200, "ready (dry run: the Track API is not asked)\n")
        assert (await http.get("/healthz")).text == "ok\n"
        assert payload_in(await http.post("/mcp", json=call()))["success"] is True
    assert scripted.connections == 0


async def test_result_of_the_probe_is_cached(scripted: ScriptedServer) -> None:
    scripted.acts = [respond(200, REGION_RESPONSE)]
    async with running_service(scripted.url) as http:
        for _ in range(20):
            assert (await http.get("/readyz")).status_code == 200
    assert len(scripted.requests) == 1


async def test_readiness_follows_the_last_verdict_and_draining_ends_it_for_good(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("customerio_track_mcp.http.health._VALID_SECONDS", {True: 0, False: 0})
    wrong, away, fine = ProbeResult(rejected="WrongRegion"), ProbeResult(away="UnavailableError"), ProbeResult()
    results = [away, wrong, wrong, away, away, fine, fine]

    async def probe() -> ProbeResult:
        return results.pop(0)

    reachable: list[bool] = []
    readiness = Readiness(probe, reachable.append)
    # An outage says nothing about the credentials.
    assert [await readiness.is_ready() for _ in range(6)] == [True, False, False, False, False, True]
    assert [record.getMessage() for record in caplog.records] == [
        "upstream away",
        "upstream back",
        "not ready",
        "upstream away",
        "upstream back",
        "ready again",
    ]
    assert reachable == [False, True, False, True]
    readiness.drain()
    assert not await readiness.is_ready()
    assert results == [fine]


async def test_workspace_must_be_in_the_configured_region() -> None:
    async with (
        run_sandbox(region="eu") as sandbox,
        TrackClient(Credentials("sandbox", "sandbox"), sandbox.url) as client,
    ):
        assert await probe_upstream(client, Region.US) == ProbeResult(rejected="WrongRegion")
        assert await probe_upstream(client, Region.EU) == ProbeResult()
        assert await probe_upstream(client, None) == ProbeResult()
