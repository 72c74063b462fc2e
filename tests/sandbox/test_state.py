"""What the workspace records and what it drops, over HTTP."""

from __future__ import annotations

import httpx
import pytest

from tests.support.sandbox_state import drops_of, state_of

ULID_A, ULID_B = "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01BX5ZZKBKACTAV9WEVGEMMVRZ"


async def test_only_ulids_deduplicate_events(http: httpx.AsyncClient) -> None:
    for event_id in (ULID_A, ULID_A, ULID_B, "no-ulid", "no-ulid", None, None):
        await http.post("/api/v1/customers/1/events", json={"name": "bought", "id": event_id})
    state = await state_of(http)
    assert [event["id"] for event in state["events"]] == [ULID_A, ULID_B, "no-ulid", "no-ulid", None, None]
    assert state["dropped"] == []
    assert [(entry["event"], entry["is_repeat"]) for entry in state["request_log"]] == [
        (1, False),
        (1, True),
        (2, False),
        (3, False),
        (4, False),
        (5, False),
        (6, False),
    ]


EVENT = {"name": "bought", "id": ULID_A, "data": {"n": 1, "m": [2]}, "timestamp": 5}


@pytest.mark.parametrize(
    "again",
    [
        EVENT,
        EVENT | {"data": {"m": [2], "n": 1}},
        EVENT | {"name": " bought "},
        EVENT | {"type": "click"},
        {name: value for name, value in EVENT.items() if name != "timestamp"},
    ],
)
async def test_same_event_again_is_a_repeat_and_not_a_drop(http: httpx.AsyncClient, again: dict[str, object]) -> None:
    for body in (EVENT, again, again):
        assert (await http.post("/api/v1/customers/1/events", json=body)).status_code == 200
    state = await state_of(http)
    assert (len(state["events"]), state["dropped"]) == (1, [])
    assert [entry["is_repeat"] for entry in state["request_log"]] == [False, True, True]
    assert {(entry["event"], entry["person"]) for entry in state["request_log"]} == {(1, "03000001")}


@pytest.mark.parametrize(
    ("identifier", "change"),
    [
        ("1", {"name": "sold"}),
        ("1", {"type": "page"}),
        ("1", {"timestamp": 6}),
        ("1", {"data": {"n": 1}}),
        ("1", {"data": {"n": True, "m": [2]}}),
        ("2", {}),
        ("unknown", {}),
    ],
)
async def test_another_event_with_a_known_id_is_dropped_with_the_reason(
    http: httpx.AsyncClient, identifier: str, change: dict[str, object]
) -> None:
    await http.put("/api/v1/customers/2", json={})
    await http.post("/api/v1/customers/1/events", json=EVENT)
    await http.post(f"/api/v1/customers/{identifier}/events", json=EVENT | change)
    state = await state_of(http)
    assert (len(state["events"]), len(state["people"])) == (1, 2)
    ((_, reason),) = await drops_of(http)
    assert reason.startswith(f"another event already has the id {ULID_A}; ")
    last = state["request_log"][-1]
    person = {"1": "03000002", "2": "03000001", "unknown": None}[identifier]
    assert (last["event"], last["is_repeat"], last["drops"], last["person"]) == (None, False, [1], person)


async def test_requests_name_what_they_did(http: httpx.AsyncClient) -> None:
    long = "v" * 1001
    await http.put("/api/v1/customers/1", json={"email": "ann@example.com", "bio": long, "plan": "pro"})
    await http.post("/api/v1/customers/ann@example.com/events", json={"name": "bought"})
    await http.post("/api/v1/segments/1/add_customers", json={"ids": ["1", "nobody", 5]})
    await http.post("/api/v1/customers/1/events", json={"name": "n" * 101})
    await http.put("/api/v1/customers/1", json={"id": "2"})
    await http.post("/api/v1/customers/1/events", json={})
    await http.get("/api/v1/accounts/region")
    log = (await state_of(http))["request_log"]
    fields = ("operation", "status", "person", "event", "drops")
    ann = "03000001"
    assert [tuple(entry[name] for name in fields) for entry in log] == [
        ("identify", 200, ann, None, [1]),
        ("track", 200, ann, 1, []),
        ("add_to_segment", 200, ann, None, [2, 3]),
        ("track", 200, ann, None, [4]),
        ("identify", 200, ann, None, [5]),
        ("track", 400, ann, None, []),
        ("find_region", 200, None, None, []),
    ]


@pytest.mark.parametrize(
    ("given", "recorded"), [("page", "page"), ("screen", "screen"), ("click", "event"), (None, "event")]
)
async def test_unknown_event_type_is_recorded_as_event(
    http: httpx.AsyncClient, given: str | None, recorded: str
) -> None:
    await http.post("/api/v1/customers/1/events", json={"name": "x", "type": given})
    assert [event["type"] for event in (await state_of(http))["events"]] == [recorded]


@pytest.mark.parametrize(
    ("attributes", "kept", "reason"),
    [
        ({"n" * 150: 1}, 1, None),
        ({"n" * 151: 1}, 0, "the attribute name exceeds 150 bytes"),
        ({"a": "v" * 1000}, 1, None),
        ({"a": "v" * 1001, "b": 1}, 1, "the attribute value exceeds 1000 bytes"),
        ({"a": ["v" * 997]}, 0, "the attribute value exceeds 1000 bytes"),
        ({f"a{n}": n for n in range(300)}, 300, None),
        ({f"a{n}": n for n in range(301)}, 0, "301 attributes exceed the maximum of 300"),
    ],
)
async def test_attributes_over_a_limit_are_silently_dropped(
    http: httpx.AsyncClient, attributes: dict[str, object], kept: int, reason: str | None
) -> None:
    assert (await http.put("/api/v1/customers/1", json=attributes)).status_code == 200
    assert [dropped for _, dropped in await drops_of(http)] == ([reason] if reason else [])
    assert sum(len(person["attributes"]) for person in (await state_of(http))["people"]) == kept


@pytest.mark.parametrize(
    ("identifier", "event", "reason"),
    [
        ("1", {"name": "n" * 100}, None),
        ("1", {"name": "n" * 101}, "the event name exceeds 100 bytes"),
        ("1", {"name": "n", "data": {"k": "v" * 99_992}}, None),
        ("1", {"name": "n", "data": {"k": "v" * 99_993}}, "the event data exceeds 100000 bytes"),
        ("i" * 150, {"name": "n"}, None),
        ("i" * 151, {"name": "n"}, "the identifier exceeds 150 bytes"),
        ("cio_0badbad0", {"name": "n"}, "no person has the cio_id in the path"),
    ],
)
async def test_events_over_a_limit_are_silently_dropped(
    http: httpx.AsyncClient, identifier: str, event: dict[str, object], reason: str | None
) -> None:
    assert (await http.post(f"/api/v1/customers/{identifier}/events", json=event)).status_code == 200
    assert [dropped for _, dropped in await drops_of(http)] == ([reason] if reason else [])
    assert len((await state_of(http))["events"]) == (0 if reason else 1)


async def test_deeply_nested_data_is_recorded_and_recognized(http: httpx.AsyncClient) -> None:
    body = b'{"name": "deep", "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "data": {"a": ' + b"[" * 700 + b"]" * 700 + b"}}"
    for _ in range(2):
        assert (await http.post("/api/v1/customers/1/events", content=body)).status_code == 200
    state = await state_of(http)
    assert (len(state["events"]), state["request_log"][1]["is_repeat"]) == (1, True)


async def test_update_with_conflicting_identifiers_is_silently_dropped(http: httpx.AsyncClient) -> None:
    await http.put("/api/v1/customers/1", json={"email": "ann@example.com"})
    await http.put("/api/v1/customers/2", json={"email": "bob@example.com"})
    assert (await http.put("/api/v1/customers/1", json={"email": "bob@example.com"})).status_code == 200
    ((what, reason),) = await drops_of(http)
    assert what == "the whole update"
    assert reason.startswith("Attribute Update Failure")


async def test_unknown_segment_members_are_silently_dropped(http: httpx.AsyncClient) -> None:
    await http.put("/api/v1/customers/1", json={"email": "ann@example.com"})
    cio_id = (await state_of(http))["people"][0]["cio_id"]
    for id_type, ids in {
        "id": ["1", "2", 3],
        "email": ["ann@example.com", "1", "bob@example.com"],
        "cio_id": [cio_id, "0badbad0"],
    }.items():
        response = await http.post(f"/api/v1/segments/2/add_customers?id_type={id_type}", json={"ids": ids})
        assert response.status_code == 200
    assert (await state_of(http))["segments"][1]["members"] == [cio_id]
    assert [reason for _, reason in await drops_of(http)] == [
        "no person has this id; people must exist before they are added to a segment",
        "does not match id_type id",
        "does not match id_type email",
        "no person has this email; people must exist before they are added to a segment",
        "no person has this cio_id; people must exist before they are added to a segment",
    ]
