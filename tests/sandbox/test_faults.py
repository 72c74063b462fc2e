"""Faults injected into the next requests."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import httpx
import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.sandbox.bounds import MAX_FAULTS
from tests.support.sandbox_state import state_of


async def test_faults_apply_to_the_next_requests_in_order(http: httpx.AsyncClient) -> None:
    for fault in (
        {"kind": "status", "status": 429, "retry_after": "7", "count": 2},
        {"kind": "redirect"},
        {"kind": "delay", "seconds": 0.01},
    ):
        assert (await http.post("/_sandbox/faults", json=fault)).status_code == 200
    assert (await state_of(http))["faults_waiting"] == 4
    responses = [await http.put("/api/v1/customers/1", json={}) for _ in range(5)]
    assert [response.status_code for response in responses] == [429, 429, 307, 200, 200]
    assert responses[0].headers["retry-after"] == "7"
    assert responses[2].headers["location"] == "https://track-eu.customer.io/api/v1/customers/1"
    log = (await state_of(http))["request_log"]
    assert [entry["fault"] for entry in log] == ["status", "status", "redirect", "delay", None]


@pytest.mark.parametrize(("kind", "people"), [("reset", 0), ("lost_reply", 1)])
async def test_connection_is_reset_before_or_after_the_request_is_carried_out(
    http: httpx.AsyncClient, kind: str, people: int
) -> None:
    await http.post("/_sandbox/faults", json={"kind": kind})
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await http.put("/api/v1/customers/1", json={})
    state = await state_of(http)
    assert len(state["people"]) == people
    assert [(entry["status"], entry["fault"]) for entry in state["request_log"]] == [(None, kind)]


async def test_delayed_request_is_logged_without_a_status_and_its_retry_as_attempt_two(http: httpx.AsyncClient) -> None:
    await http.post("/_sandbox/faults", json={"kind": "delay", "seconds": 0.5})
    event = {"name": "bought", "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}
    with pytest.raises(httpx.ReadTimeout):
        await http.post("/api/v1/customers/1/events", json=event, timeout=0.1)
    await http.post("/api/v1/customers/1/events", json=event)
    with anyio.fail_after(30):
        while len(log := (await http.get("/_sandbox/state")).json()["request_log"]) < 2:
            await anyio.lowlevel.checkpoint()
    assert [(entry["attempt"], entry["status"]) for entry in log] == [(2, 200), (1, None)]


async def test_unauthorized_request_does_not_consume_a_fault(sandbox: RunningSandbox) -> None:
    async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as http:
        await http.post("/_sandbox/faults", json={"kind": "status", "status": 503})
        for authorization in (b"", b"Basic \xff"):
            response = await http.get("/api/v1/accounts/region", headers={b"Authorization": authorization})
            assert response.status_code == 401
        assert (await http.get("/_sandbox/state")).json()["faults_waiting"] == 1


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"kind": "flood"},
        {"kind": "status"},
        {"kind": "status", "status": 200},
        {"kind": "reset", "count": 0},
        {"kind": "reset", "count": 1001},
        {"kind": "delay", "seconds": 601},
        {"kind": "status", "status": 503, "retry_after": "1\r\nX-Injected: 1"},
        {"kind": "status", "status": 503, "retry_after": "\x00"},
        {"kind": "status", "status": 503, "retry_after": "1" * 101},
        {"kind": "redirect", "location": "https://example.com\nX-Injected: 1"},
        {"kind": "redirect", "location": "https://example.com/" + "a" * 1000},
        {"kind": "reset"} | {f"field{number}": 1 for number in range(500)},
    ],
)
async def test_invalid_fault_is_rejected(http: httpx.AsyncClient, fault: dict[str, object]) -> None:
    response = await http.post("/_sandbox/faults", json=fault)
    assert response.status_code == 400
    assert 1 <= len(response.json()["meta"]["errors"]) <= 10
    assert (await state_of(http))["faults_waiting"] == 0


async def test_faults_over_the_maximum_are_rejected(http: httpx.AsyncClient) -> None:
    fault = {"kind": "status", "status": 503, "count": 1000}
    accepted = [(await http.post("/_sandbox/faults", json=fault)).status_code for _ in range(MAX_FAULTS // 1000)]
    assert accepted == [200] * len(accepted)
    response = await http.post("/_sandbox/faults", json=fault | {"count": 1})
    assert (response.status_code, str(MAX_FAULTS) in response.text) == (400, True)
    assert (await state_of(http))["faults_waiting"] == MAX_FAULTS


async def test_large_fault_is_rejected(http: httpx.AsyncClient) -> None:
    response = await http.post("/_sandbox/faults", content=b'{"kind": "reset"}'.ljust(2**14 + 1))
    assert response.status_code == 413
    assert (await state_of(http))["faults_waiting"] == 0
