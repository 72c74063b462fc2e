"""Faults injected into the next requests."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.sandbox.bounds import MAX_FAULTS, MAX_QUEUED_FAULTS
from tests.support.sandbox_state import state_of
from tests.support.waiting import wait_until


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


async def test_delayed_request_is_in_flight_and_its_retry_is_attempt_two(http: httpx.AsyncClient) -> None:
    await http.post("/_sandbox/faults", json={"kind": "delay", "seconds": 600})
    event = {"name": "bought", "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}
    delayed = asyncio.create_task(http.post("/api/v1/customers/1/events", json=event, timeout=None))

    async def is_in_flight() -> bool:
        return bool((await state_of(http))["request_log"])

    await wait_until(is_in_flight)
    await http.post("/api/v1/customers/1/events", json=event)
    first, second = (await state_of(http))["request_log"]
    assert (first["attempt"], first["status"], first["seconds"], first["fault"]) == (1, None, None, "delay")
    assert (second["attempt"], second["status"], second["event"], second["is_repeat"]) == (2, 200, 1, True)
    delayed.cancel()


async def test_delayed_request_ends_without_a_status_when_its_client_leaves(http: httpx.AsyncClient) -> None:
    await http.post("/_sandbox/faults", json={"kind": "delay", "seconds": 600})
    with pytest.raises(httpx.ReadTimeout):
        await http.post("/api/v1/customers/1/events", json={"name": "bought"}, timeout=0.1)

    async def has_ended() -> bool:
        return (await state_of(http))["request_log"][0]["seconds"] is not None

    await wait_until(has_ended)
    (entry,) = (await state_of(http))["request_log"]
    assert (entry["attempt"], entry["status"], entry["response"], entry["event"]) == (1, None, None, 1)


async def test_unauthorized_request_does_not_consume_a_fault(sandbox: RunningSandbox) -> None:
    async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as http:
        await http.post("/_sandbox/faults", json={"kind": "status", "status": 503})
        for authorization in (b"", b"Basic \xff"):
            headers = {b"Authorization": authorization}
            response = await http.put("/api/v1/customers/1", headers=headers, json={})
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
        {"kind": "reset", "operation": "delete"},
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


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ({}, "kind: must be one of status, delay, reset, lost_reply, redirect"),
        ({"kind": "lose_reply"}, "kind: must be one of status, delay, reset, lost_reply, redirect"),
        ([], "Input should be an object"),
        ({"kind": "status", "status": 200}, "status: Input should be greater than or equal to 400"),
        ({"kind": "delay", "seconds": 1, "times": 2}, "times: Extra inputs are not permitted"),
    ],
)
async def test_what_is_wrong_with_a_fault_begins_with_its_key(
    http: httpx.AsyncClient, fault: object, problem: str
) -> None:
    response = await http.post("/_sandbox/faults", json=fault)
    assert response.json()["meta"]["errors"] == [problem]


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


async def test_faults_over_the_length_of_the_queue_are_rejected(http: httpx.AsyncClient) -> None:
    for _ in range(MAX_QUEUED_FAULTS):
        assert (await http.post("/_sandbox/faults", json={"kind": "reset"})).status_code == 200
    response = await http.post("/_sandbox/faults", json={"kind": "reset"})
    assert (response.status_code, "for several requests" in response.text) == (400, True)
    assert (await state_of(http))["faults_waiting"] == MAX_QUEUED_FAULTS


async def test_queue_lists_each_fault_with_what_remains_of_it(http: httpx.AsyncClient) -> None:
    status = {"kind": "status", "status": 503, "count": 3}
    added = [(await http.post("/_sandbox/faults", json=fault)).json() for fault in (status, {"kind": "reset"})]
    assert added == [{"id": 1, "faults_waiting": 3}, {"id": 2, "faults_waiting": 4}]
    await http.put("/api/v1/customers/1", json={})
    expected = {
        "faults_waiting": 3,
        "faults": [
            {"id": 1, "kind": "status", "count": 2, "operation": None, "status": 503, "retry_after": None},
            {"id": 2, "kind": "reset", "count": 1, "operation": None},
        ],
    }
    assert (await http.get("/_sandbox/faults")).json() == expected
    state = await state_of(http)
    assert {name: state[name] for name in expected} == expected


async def test_fault_can_be_removed_from_the_queue(http: httpx.AsyncClient) -> None:
    for status in (500, 502, 503):
        await http.post("/_sandbox/faults", json={"kind": "status", "status": status, "count": 2})
    removed = await http.delete("/_sandbox/faults/2")
    assert (removed.status_code, removed.json()) == (200, (await http.get("/_sandbox/faults")).json())
    assert [fault["status"] for fault in removed.json()["faults"]] == [500, 503]
    statuses = [(await http.put("/api/v1/customers/1", json={})).status_code for _ in range(5)]
    assert statuses == [500, 500, 503, 503, 200]


@pytest.mark.parametrize("fault_id", ["2", "1", "0", "-1", "a", "1" * 5000, "%00"])
async def test_removal_of_an_unknown_fault_gets_404(http: httpx.AsyncClient, fault_id: str) -> None:
    await http.post("/_sandbox/faults", json={"kind": "reset"})
    await http.post("/_sandbox/reset")
    await http.post("/_sandbox/faults", json={"kind": "reset"})  # its id is 2: ids are not used again
    response = await http.delete(f"/_sandbox/faults/{fault_id}")
    assert response.status_code == (200 if fault_id == "2" else 404)
    assert (await state_of(http))["faults_waiting"] == (0 if fault_id == "2" else 1)
    if response.status_code == 404:
        assert "no fault with this id" in response.json()["meta"]["error"]


OPERATIONS = {
    "identify": ("PUT", "/api/v1/customers/1", {}),
    "track": ("POST", "/api/v1/customers/1/events", {"name": "bought"}),
    "add_to_segment": ("POST", "/api/v1/segments/1/add_customers", {"ids": ["1"]}),
    "find_region": ("GET", "/api/v1/accounts/region", None),
}


@pytest.mark.parametrize("operation", [*OPERATIONS, None])
async def test_only_requests_of_its_operation_get_a_fault(http: httpx.AsyncClient, operation: str | None) -> None:
    fault = {"kind": "status", "status": 503, "count": len(OPERATIONS), "operation": operation}
    await http.post("/_sandbox/faults", json=fault)
    got_fault = [
        name
        for name, (method, path, body) in OPERATIONS.items()
        if (await http.request(method, path, json=body)).status_code == 503
    ]
    assert got_fault == ([operation] if operation else ["identify", "track", "add_to_segment"])


async def test_request_takes_the_oldest_fault_of_its_operation(http: httpx.AsyncClient) -> None:
    for status, operation in ((500, "track"), (502, None), (503, "identify")):
        await http.post("/_sandbox/faults", json={"kind": "status", "status": status, "operation": operation})
    statuses = [(await http.put("/api/v1/customers/1", json={})).status_code for _ in range(3)]
    assert statuses == [502, 503, 200]


async def test_requests_of_no_operation_get_no_fault(http: httpx.AsyncClient) -> None:
    await http.post("/_sandbox/faults", json={"kind": "reset"})
    assert (await http.delete("/api/v1/customers/1")).status_code == 405
    assert (await http.get("/api/v1/nothing")).status_code == 404
    assert (await state_of(http))["faults_waiting"] == 1
