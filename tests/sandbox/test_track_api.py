"""The Track API of the sandbox over HTTP: responses, authentication, error bodies, the request log."""

from __future__ import annotations

from urllib.parse import quote

import httpx
import pytest

from customerio_track_mcp.sandbox import run_sandbox
from tests.support.sandbox_state import state_of


@pytest.mark.parametrize("customer_id", ["{3F2504E0-4F89-11D3-9A0C-0305E82C3301}", '{"k":1}', "a%2Fb", "a/b", "{"])
async def test_identifier_may_contain_any_character(http: httpx.AsyncClient, customer_id: str) -> None:
    path = f"/api/v1/customers/{quote(customer_id, safe='')}"
    assert (await http.put(path, json={"plan": "pro"})).status_code == 200
    assert (await http.post(f"{path}/events", json={"name": "bought"})).status_code == 200
    assert [person["id"] for person in (await state_of(http))["people"]] == [customer_id]


async def test_each_operation_returns_200_with_an_empty_object_and_changes_the_state(http: httpx.AsyncClient) -> None:
    responses = [
        await http.put("/api/v1/customers/1", json={"email": "ann@example.com", "plan": "pro"}),
        await http.post("/api/v1/customers/1/events", json={"name": " bought ", "data": {"n": 1}, "timestamp": 5}),
        await http.post("/api/v1/segments/1/add_customers", json={"ids": ["1", "1"]}),
    ]
    assert [(response.status_code, response.json()) for response in responses] == [(200, {})] * 3
    state = await state_of(http)
    (person,), (event,) = state["people"], state["events"]
    assert (person["id"], person["email"], person["attributes"]) == ("1", "ann@example.com", {"plan": "pro"})
    assert event == {
        "name": "bought",
        "type": "event",
        "person": person["cio_id"],
        "timestamp": 5,
        "data": {"n": 1},
        "id": None,
        "number": 1,
    }
    assert state["segments"][0]["members"] == [person["cio_id"]]
    assert state["requests"] == 3
    assert state["dropped"] == []
    assert [(entry["method"], entry["status"]) for entry in state["request_log"]] == [
        ("PUT", 200),
        ("POST", 200),
        ("POST", 200),
    ]


async def test_encoded_identifier_is_one_path_segment(http: httpx.AsyncClient) -> None:
    await http.put("/api/v1/customers/a%2Fb%3F%2Bc%252F", json={})
    assert (await state_of(http))["people"][0]["id"] == "a/b?+c%2F"


@pytest.mark.parametrize("auth", [None, ("sandbox", "wrong"), ("wrong", "sandbox"), ("sändbox", "key")])
async def test_invalid_credentials_get_401(http: httpx.AsyncClient, auth: tuple[str, str] | None) -> None:
    http.auth = auth  # type: ignore[assignment]  # httpx's setter takes None for no authentication
    response = await http.put("/api/v1/customers/1", json={})
    assert (response.status_code, response.json()) == (401, {"meta": {"error": "Unauthorized request"}})
    assert (await state_of(http))["people"] == []


@pytest.mark.parametrize(
    ("region", "url"), [("us", "https://track.customer.io"), ("eu", "https://track-eu.customer.io")]
)
async def test_region_lookup_returns_region_url_and_workspace(region: str, url: str) -> None:
    async with run_sandbox(region=region) as sandbox, httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"{sandbox.url}/api/v1/accounts/region", auth=("sandbox", "sandbox"))
    assert response.json() == {"url": url, "region": region, "environment_id": 1}


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("PUT", "/api/v1/customers/1", b"{", 400),
        ("PUT", "/api/v1/customers/1", b"[]", 400),
        ("PUT", "/api/v1/customers/1", b'{"a": NaN}', 400),
        ("PUT", "/api/v1/customers/1", b'{"a": 1e400}', 400),
        ("PUT", "/api/v1/customers/1", b'{"a": "\\ud800"}', 400),
        ("PUT", "/api/v1/customers/1", b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        ("POST", "/api/v1/customers/1/events", b'{"name": "a", "data": []}', 400),
        ("POST", "/api/v1/customers/1/events", b'{"name": "a", "timestamp": 1e9}', 400),
        ("POST", "/api/v1/customers/1/events", b'{"name": "a", "timestamp": true}', 400),
        ("POST", "/api/v1/customers/1/events", b'{"name": "a", "timestamp": 1767225600000000}', 400),
        ("POST", "/api/v1/segments/" + "9" * 5000 + "/add_customers", b'{"ids": ["1"]}', 404),
        ("POST", "/api/v1/customers/1/events", b"{}", 400),
        ("POST", "/api/v1/customers/1/events", b'{"name": "  "}', 400),
        ("POST", "/api/v1/customers/1/events", b'{"name": 5}', 400),
        ("POST", "/api/v1/customers/1/events", b'{"name": "a", "data": [1]}', 400),
        ("POST", "/api/v1/segments/99/add_customers", b'{"ids": ["1"]}', 404),
        ("POST", "/api/v1/segments/vip/add_customers", b'{"ids": ["1"]}', 404),
        ("POST", "/api/v1/segments/3/add_customers", b'{"ids": ["1"]}', 400),
        ("POST", "/api/v1/segments/1/add_customers", b'{"ids": []}', 400),
        ("POST", "/api/v1/segments/1/add_customers", b'{"ids": "1"}', 400),
        ("POST", "/api/v1/segments/1/add_customers?id_type=phone", b'{"ids": ["1"]}', 400),
        ("DELETE", "/api/v1/customers/1", b"", 405),
        ("GET", "/api/v1/nothing", b"", 404),
    ],
)
async def test_invalid_requests_are_rejected_with_the_vendors_error_bodies(
    http: httpx.AsyncClient, method: str, path: str, content: bytes, status: int
) -> None:
    response = await http.request(method, path, content=content)
    assert response.status_code == status
    meta = response.json()["meta"]
    assert meta["errors"] if status == 400 else meta["error"]
    state = await state_of(http)
    assert (state["people"], state["events"], state["dropped"]) == ([], [], [])


@pytest.mark.parametrize("number", [1000, 1001])
async def test_segment_request_accepts_1000_ids(http: httpx.AsyncClient, number: int) -> None:
    response = await http.post("/api/v1/segments/1/add_customers", json={"ids": [str(n) for n in range(number)]})
    assert response.status_code == (200 if number == 1000 else 400)


async def test_too_large_body_is_rejected_and_not_processed(http: httpx.AsyncClient) -> None:
    response = await http.put("/api/v1/customers/1", content=b" " * (5 * 2**20) + b'{"a": 1}')
    assert response.status_code == 413
    assert (await http.get("/_sandbox/state")).json()["people"] == []


@pytest.mark.parametrize(
    ("failures", "attempts"), [([], [1]), ([503], [1, 2]), ([503, 429], [1, 2, 3]), ([400], [1, 1])]
)
async def test_same_request_after_a_retryable_failure_is_logged_as_the_next_attempt(
    http: httpx.AsyncClient, failures: list[int], attempts: list[int]
) -> None:
    for status in failures:
        await http.post("/_sandbox/faults", json={"kind": "status", "status": status})
    for _ in attempts:
        await http.post("/api/v1/customers/1/events", json={"name": "bought"})
    await http.post("/api/v1/customers/1/events", json={"name": "another"})
    log = (await http.get("/_sandbox/state")).json()["request_log"]
    assert [entry["attempt"] for entry in log] == [*attempts, 1]
