"""The sandbox as any HTTP client meets it, over TCP."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import customerio_track_mcp.sandbox
from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox

ULID_A, ULID_B = "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01BX5ZZKBKACTAV9WEVGEMMVRZ"


@pytest.fixture
async def http(sandbox: RunningSandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox.url, auth=("sandbox", "sandbox"), trust_env=False) as client:
        yield client


async def state_of(http: httpx.AsyncClient) -> dict[str, Any]:
    state: dict[str, Any] = (await http.get("/_sandbox/state")).json()
    return state


async def dropped(http: httpx.AsyncClient) -> list[tuple[str, str]]:
    return [(entry["what"], entry["reason"]) for entry in (await state_of(http))["dropped"]]


def test_the_sandbox_imports_nothing_of_the_client_it_judges() -> None:
    folder = Path(customerio_track_mcp.sandbox.__file__).parent
    imported = {
        node.module or ""
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
    }
    ours = {name for name in imported if name.startswith("customerio_track_mcp")}
    assert ours
    assert all(name.startswith("customerio_track_mcp.sandbox") for name in ours)


async def test_the_three_operations_answer_200_with_an_empty_object_and_change_the_state(
    http: httpx.AsyncClient,
) -> None:
    answers = [
        await http.put("/api/v1/customers/1", json={"email": "ann@example.com", "plan": "pro"}),
        await http.post("/api/v1/customers/1/events", json={"name": " bought ", "data": {"n": 1}, "timestamp": 5}),
        await http.post("/api/v1/segments/1/add_customers", json={"ids": ["1", "1"]}),
    ]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {})] * 3
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


async def test_an_encoded_identifier_is_one_segment_of_the_path(http: httpx.AsyncClient) -> None:
    await http.put("/api/v1/customers/a%2Fb%3F%2Bc%252F", json={})
    assert (await state_of(http))["people"][0]["id"] == "a/b?+c%2F"


@pytest.mark.parametrize("auth", [None, ("sandbox", "wrong"), ("wrong", "sandbox"), ("sändbox", "key")])
async def test_other_credentials_get_401(http: httpx.AsyncClient, auth: tuple[str, str] | None) -> None:
    http.auth = auth  # type: ignore[assignment]  # httpx's setter takes None for no authentication
    answer = await http.put("/api/v1/customers/1", json={})
    assert (answer.status_code, answer.json()) == (401, {"meta": {"error": "Unauthorized request"}})
    assert (await state_of(http))["people"] == []


@pytest.mark.parametrize(
    ("region", "url"), [("us", "https://track.customer.io"), ("eu", "https://track-eu.customer.io")]
)
async def test_the_region_lookup_names_region_url_and_workspace(region: str, url: str) -> None:
    async with run_sandbox(region=region) as sandbox, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{sandbox.url}/api/v1/accounts/region", auth=("sandbox", "sandbox"))
    assert answer.json() == {"url": url, "region": region, "environment_id": 1}


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
async def test_what_the_vendor_refuses_is_refused_with_its_error_bodies(
    http: httpx.AsyncClient, method: str, path: str, content: bytes, status: int
) -> None:
    answer = await http.request(method, path, content=content)
    assert answer.status_code == status
    meta = answer.json()["meta"]
    assert meta["errors"] if status == 400 else meta["error"]
    state = await state_of(http)
    assert (state["people"], state["events"], state["dropped"]) == ([], [], [])


@pytest.mark.parametrize("number", [1000, 1001])
async def test_a_segment_call_takes_1000_ids(http: httpx.AsyncClient, number: int) -> None:
    answer = await http.post("/api/v1/segments/1/add_customers", json={"ids": [str(n) for n in range(number)]})
    assert answer.status_code == (200 if number == 1000 else 400)


async def test_a_repeated_ulid_is_one_event_and_another_word_for_an_id_is_not(http: httpx.AsyncClient) -> None:
    for event_id in (ULID_A, ULID_A, ULID_B, "no-ulid", "no-ulid", None, None):
        await http.post("/api/v1/customers/1/events", json={"name": "bought", "id": event_id})
    state = await state_of(http)
    assert [event["id"] for event in state["events"]] == [ULID_A, ULID_B, "no-ulid", "no-ulid", None, None]
    assert [entry[1] for entry in await dropped(http)] == [f"a repeat of event {ULID_A}, which was already received"]


@pytest.mark.parametrize(
    ("given", "recorded"), [("page", "page"), ("screen", "screen"), ("click", "event"), (None, "event")]
)
async def test_any_other_event_type_becomes_event(http: httpx.AsyncClient, given: str | None, recorded: str) -> None:
    await http.post("/api/v1/customers/1/events", json={"name": "x", "type": given})
    assert [event["type"] for event in (await state_of(http))["events"]] == [recorded]


@pytest.mark.parametrize(
    ("attributes", "kept", "reason"),
    [
        ({"n" * 150: 1}, 1, None),
        ({"n" * 151: 1}, 0, "the attribute's name is over 150 bytes"),
        ({"a": "v" * 1000}, 1, None),
        ({"a": "v" * 1001, "b": 1}, 1, "the attribute's value is over 1000 bytes"),
        ({"a": ["v" * 997]}, 0, "the attribute's value is over 1000 bytes"),
        ({f"a{n}": n for n in range(300)}, 300, None),
        ({f"a{n}": n for n in range(301)}, 0, "301 attributes are more than 300"),
    ],
)
async def test_attributes_over_a_limit_are_dropped_in_silence(
    http: httpx.AsyncClient, attributes: dict[str, object], kept: int, reason: str | None
) -> None:
    assert (await http.put("/api/v1/customers/1", json=attributes)).status_code == 200
    assert [told for _, told in await dropped(http)] == ([reason] if reason else [])
    assert sum(len(person["attributes"]) for person in (await state_of(http))["people"]) == kept


@pytest.mark.parametrize(
    ("identifier", "event", "reason"),
    [
        ("1", {"name": "n" * 100}, None),
        ("1", {"name": "n" * 101}, "the event name is over 100 bytes"),
        ("1", {"name": "n", "data": {"k": "v" * 99_992}}, None),
        ("1", {"name": "n", "data": {"k": "v" * 99_993}}, "the event data is over 100000 bytes"),
        ("i" * 150, {"name": "n"}, None),
        ("i" * 151, {"name": "n"}, "the identifier is over 150 bytes"),
        ("cio_0badbad0", {"name": "n"}, "the cio_id in the path belongs to nobody"),
    ],
)
async def test_events_over_a_limit_are_dropped_in_silence(
    http: httpx.AsyncClient, identifier: str, event: dict[str, object], reason: str | None
) -> None:
    assert (await http.post(f"/api/v1/customers/{identifier}/events", json=event)).status_code == 200
    assert [told for _, told in await dropped(http)] == ([reason] if reason else [])
    assert len((await state_of(http))["events"]) == (0 if reason else 1)


async def test_deep_data_is_recorded_and_its_repeat_told_apart(http: httpx.AsyncClient) -> None:
    body = b'{"name": "deep", "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "data": {"a": ' + b"[" * 700 + b"]" * 700 + b"}}"
    for _ in range(2):
        assert (await http.post("/api/v1/customers/1/events", content=body)).status_code == 200
    state = await state_of(http)
    assert (len(state["events"]), len(state["dropped"])) == (1, 1)


async def test_a_conflict_of_identifiers_is_dropped_in_silence(http: httpx.AsyncClient) -> None:
    await http.put("/api/v1/customers/1", json={"email": "ann@example.com"})
    await http.put("/api/v1/customers/2", json={"email": "bob@example.com"})
    assert (await http.put("/api/v1/customers/1", json={"email": "bob@example.com"})).status_code == 200
    ((what, reason),) = await dropped(http)
    assert what == "the whole update"
    assert reason.startswith("Attribute Update Failure")


async def test_segment_members_that_fit_nobody_are_dropped_in_silence(http: httpx.AsyncClient) -> None:
    await http.put("/api/v1/customers/1", json={"email": "ann@example.com"})
    cio_id = (await state_of(http))["people"][0]["cio_id"]
    for id_type, ids in {
        "id": ["1", "2", 3],
        "email": ["ann@example.com", "1", "bob@example.com"],
        "cio_id": [cio_id, "0badbad0"],
    }.items():
        answer = await http.post(f"/api/v1/segments/2/add_customers?id_type={id_type}", json={"ids": ids})
        assert answer.status_code == 200
    assert (await state_of(http))["segments"][1]["members"] == [cio_id]
    assert [reason for _, reason in await dropped(http)] == [
        "nobody has this id; people must exist before they join a segment",
        "does not match id_type id",
        "does not match id_type email",
        "nobody has this email; people must exist before they join a segment",
        "nobody has this cio_id; people must exist before they join a segment",
    ]


async def test_faults_befall_the_next_requests_in_order(http: httpx.AsyncClient) -> None:
    for fault in (
        {"kind": "status", "status": 429, "retry_after": "7", "count": 2},
        {"kind": "redirect"},
        {"kind": "delay", "seconds": 0.01},
    ):
        assert (await http.post("/_sandbox/faults", json=fault)).status_code == 200
    assert (await state_of(http))["faults_waiting"] == 4
    answers = [await http.put("/api/v1/customers/1", json={}) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [429, 429, 307, 200, 200]
    assert answers[0].headers["retry-after"] == "7"
    assert answers[2].headers["location"] == "https://track-eu.customer.io/api/v1/customers/1"
    log = (await state_of(http))["request_log"]
    assert [entry["fault"] for entry in log] == ["status", "status", "redirect", "delay", None]


@pytest.mark.parametrize(("kind", "people"), [("reset", 0), ("lost_reply", 1)])
async def test_a_broken_connection_comes_before_or_after_the_work(
    http: httpx.AsyncClient, kind: str, people: int
) -> None:
    await http.post("/_sandbox/faults", json={"kind": kind})
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await http.put("/api/v1/customers/1", json={})
    state = await state_of(http)
    assert len(state["people"]) == people
    assert [(entry["status"], entry["fault"]) for entry in state["request_log"]] == [(None, kind)]


@pytest.mark.parametrize(
    "fault",
    [{}, {"kind": "flood"}, {"kind": "status"}, {"kind": "status", "status": 200}, {"kind": "reset", "count": 0}],
)
async def test_a_fault_that_is_none_is_refused(http: httpx.AsyncClient, fault: dict[str, object]) -> None:
    answer = await http.post("/_sandbox/faults", json=fault)
    assert answer.status_code == 400
    assert answer.json()["meta"]["errors"]
    assert (await state_of(http))["faults_waiting"] == 0
