"""How a program reads and controls a sandbox."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from customerio_track_mcp.sandbox import Person, RunningSandbox, Segment, run_sandbox
from customerio_track_mcp.sandbox.bounds import MAX_MEMBERS, MAX_QUEUED_FAULTS, MAX_SEGMENTS
from tests.support.sandbox_state import AUTH, drops_of, state_of
from tests.support.waiting import wait_until

VIP: dict[str, Any] = {"id": 7, "name": "VIP"}
ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


async def test_people_events_and_segments_are_what_was_received(
    http: httpx.AsyncClient, sandbox: RunningSandbox
) -> None:
    await http.put("/api/v1/customers/1", json={"email": "ann@example.com", "tags": ["a", {"b": None}]})
    await http.put("/api/v1/customers/bo@example.com", json={})
    event = {"name": "bought", "data": {"items": [{"sku": "x"}]}, "timestamp": 5, "id": ULID}
    await http.post("/api/v1/customers/ann@example.com/events", json=event)
    await http.post("/api/v1/segments/2/add_customers", json={"ids": ["bo@example.com"]}, params={"id_type": "email"})
    ann, bo = sandbox.people
    assert ann == Person("03000001", "1", "ann@example.com", {"tags": ["a", {"b": None}]})
    assert bo == Person("03000002", None, "bo@example.com", {})
    (recorded,) = sandbox.events
    assert (recorded.name, recorded.type, recorded.timestamp, recorded.id) == ("bought", "event", 5, ULID)
    assert (recorded.person, recorded.data) == (ann, {"items": [{"sku": "x"}]})
    assert sandbox.segments == (
        Segment(1, "Beta testers", "manual", ()),
        Segment(2, "Webinar guests", "manual", (bo,)),
        Segment(3, "Paying customers", "data-driven", ()),
    )


async def test_copies_and_the_sandbox_do_not_change_each_other(
    http: httpx.AsyncClient, sandbox: RunningSandbox
) -> None:
    nested: dict[str, Any] = {"list": [{"a": 1}]}
    person = sandbox.add_person("1", attributes=nested)
    event = sandbox.add_event("1", "bought", data=nested)
    nested["list"][0]["a"] = 2
    copies = [person.attributes, event.data, sandbox.people[0].attributes, sandbox.events[0].data]
    assert copies == [{"list": [{"a": 1}]}] * 4
    for copied in copies:
        copied["list"][0]["a"] = 3
        copied["list"].append(4)
    assert (sandbox.people[0].attributes, sandbox.events[0].data) == ({"list": [{"a": 1}]},) * 2
    people, events, segments, requests = sandbox.people, sandbox.events, sandbox.segments, sandbox.requests
    await http.put("/api/v1/customers/1", json={"list": "new"})
    await http.post("/api/v1/segments/1/add_customers", json={"ids": ["1"]})
    assert (people[0].attributes, events[0].person.attributes) == ({"list": [{"a": 1}]},) * 2
    assert (segments[0].members, requests) == ((), ())


async def test_values_of_any_depth_are_copied(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    data = b'{"a":' * 400 + b"[]" + b"}" * 400
    assert (await http.post("/api/v1/customers/1/events", content=b'{"name":"x","data":' + data + b"}")).is_success
    value = sandbox.events[0].data
    for _ in range(399):
        value = value["a"]
    assert value == {"a": []}


async def test_requests_show_what_was_sent_and_what_it_did(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    started = time.time()
    await http.put("/api/v1/customers/user%2F1", json={"plan": "pro", "note": "x" * 1001})
    await http.post("/api/v1/customers/user%2F1/events", json={"name": "bought", "id": ULID})
    await http.post("/api/v1/customers/user%2F1/events", json={"name": "bought", "id": ULID})
    await http.get("/api/v1/accounts/region")
    await http.delete("/api/v1/customers/1", headers={"X-Extra": "1"})
    identify, track, repeat, region, other = sandbox.requests
    assert (identify.method, identify.path, identify.operation) == ("PUT", "/api/v1/customers/user%2F1", "identify")
    assert (identify.identifier, identify.json) == ("user/1", {"plan": "pro", "note": "x" * 1001})
    assert (identify.status, identify.response, identify.attempt, identify.fault) == (200, "{}", 1, None)
    assert (identify.person, identify.event, identify.dropped) == (sandbox.people[0], None, sandbox.dropped)
    assert [dropped.what for dropped in identify.dropped] == ["attribute 'note'"]
    assert identify.headers["content-TYPE"] == "application/json"
    assert identify.response_headers["Content-Type"].startswith("application/json")
    assert "Authorization" not in identify.headers
    assert 0 <= identify.at - started < 60
    assert identify.seconds is not None
    assert (track.event, track.is_repeat, track.dropped) == (sandbox.events[0], False, ())
    assert (repeat.event, repeat.is_repeat) == (sandbox.events[0], True)
    assert (region.operation, region.identifier, region.json, region.person) == ("find_region", None, None, None)
    assert (other.operation, other.status, other.headers["X-EXTRA"]) == (None, 405, "1")


async def test_copies_can_be_in_sets_and_copied_again(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    await http.put("/api/v1/customers/1", json={"tags": ["a"]})
    await http.post("/api/v1/customers/1/events", json={"name": "bought", "data": {"total": 5}})
    await http.post("/api/v1/segments/1/add_customers", json={"ids": ["1"]})
    for values in (sandbox.people, sandbox.events, sandbox.segments, sandbox.requests):
        assert len({*values, *values}) == len(values)
        for value in values:
            assert copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == value  # noqa: S301 - its own output
            assert set(dataclasses.asdict(value)) == {field.name for field in dataclasses.fields(value)}


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b"x" * 2**21, b"[1]" * 10**5, b"[" * 10**5, b'{"a": NaN}', b'{"a": "\\ud800"}']
)
async def test_body_that_is_not_json_or_not_kept_is_an_error(
    http: httpx.AsyncClient, sandbox: RunningSandbox, body: bytes
) -> None:
    await http.put("/api/v1/customers/1", content=body)
    with pytest.raises(ValueError, match=r"not valid JSON|not kept"):
        _ = sandbox.requests[0].json


async def test_person_is_found_by_each_identifier(sandbox: RunningSandbox) -> None:
    person = sandbox.add_person("1", "Ann@example.com")
    assert sandbox.find_person("1") == person
    assert sandbox.find_person("ann@EXAMPLE.com") == person
    assert sandbox.find_person(f"cio_{person.cio_id}") == person
    assert sandbox.add_person("1", attributes={"plan": "pro"}) == sandbox.find_person(person)
    assert [sandbox.find_person(other) for other in ("2", "bo@example.com", "cio_03000009", "None", "")] == [None] * 5


@pytest.mark.parametrize("identifier", [None, 1042, b"1042", ["1042"]])
async def test_identifier_that_is_not_a_string_is_an_error(sandbox: RunningSandbox, identifier: Any) -> None:
    with pytest.raises(ValueError, match=r"^identifier: must be a string"):
        sandbox.find_person(identifier)


async def test_what_is_added_is_there_without_a_request(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    ann = sandbox.add_person("1", "ann@example.com", {"plan": "free"})
    bo = sandbox.add_person(email="bo@example.com")
    event = sandbox.add_event(ann, "bought", data={"total": 5}, timestamp=1767225600)
    page = sandbox.add_event("3", "https://shop.example", type="page")
    segment = sandbox.add_segment(7, "VIP", members=[bo, "1", "ann@example.com"])
    assert sandbox.people == (ann, bo, page.person)
    assert (page.person.id, page.type) == ("3", "page")
    assert 0 <= time.time() - page.timestamp < 60
    assert sandbox.events == (event, page)
    assert segment == Segment(7, "VIP", "manual", (bo, ann))
    assert segment in sandbox.segments
    assert (sandbox.requests, sandbox.dropped) == ((), ())
    state = await state_of(http)
    assert [entry["id"] for entry in state["segments"]] == [1, 2, 3, 7]
    assert (await http.post("/api/v1/segments/7/add_customers", json={"ids": ["3"]})).is_success
    assert [member.id for member in sandbox.segments[-1].members] == [None, "1", "3"]


async def test_person_who_is_there_is_updated(sandbox: RunningSandbox) -> None:
    first = sandbox.add_person("1", attributes={"plan": "free", "seats": 1})
    second = sandbox.add_person("1", "ann@example.com", {"plan": "pro", "seats": None})
    assert second == Person(first.cio_id, "1", "ann@example.com", {"plan": "pro"})
    assert sandbox.people == (second,)


async def test_segment_with_the_same_id_is_replaced(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    person = sandbox.add_person("1")
    sandbox.add_segment(1, "Old", members=["1"])
    sandbox.add_segment(1, "New", "data-driven")
    assert sandbox.segments[0] == Segment(1, "New", "data-driven", ())
    assert (await http.post("/api/v1/segments/1/add_customers", json={"ids": ["1"]})).status_code == 400
    assert sandbox.add_segment(3, "Computed", "data-driven", [person]).members == (person,)


@pytest.mark.parametrize(
    ("identifiers", "attributes"),
    [
        ({"id": "a" * 151}, {}),
        ({"email": f"{'a' * 150}@x"}, {}),
        ({"id": "1", "email": f"{'a' * 150}@x"}, {}),
        ({"id": "1"}, {"note": "x" * 1001}),
        ({"id": "1"}, {"note": {"deep": "x" * 1001}}),
        ({"id": "1"}, {"n" * 151: 1}),
        ({"id": "1"}, {f"a{number}": 1 for number in range(300)}),
        ({"id": "full"}, {"one more": 1}),
        ({"email": "full@example.com"}, {"one more": 1}),
        ({"id": "full", "email": "taken@example.com"}, {}),
        ({"id": "other", "email": "taken@example.com"}, {}),
        ({"id": "taken", "email": "other@example.com"}, {}),
    ],
)
async def test_person_that_the_api_would_drop_is_an_error(
    http: httpx.AsyncClient, sandbox: RunningSandbox, identifiers: dict[str, str], attributes: dict[str, object]
) -> None:
    def start() -> None:
        sandbox.reset()
        sandbox.add_person("taken", "taken@example.com")
        sandbox.add_person("full", "full@example.com", {f"a{number}": 1 for number in range(200)})
        sandbox.add_person("full", attributes={f"a{number}": 1 for number in range(100, 300)})

    start()
    before = await state_of(http)
    with pytest.raises(ValueError, match=r"^the real API would silently drop this: "):
        sandbox.add_person(**identifiers, attributes=attributes)
    assert await state_of(http) == before
    drops = []
    for identifier in identifiers.values():
        start()
        assert (await http.put(f"/api/v1/customers/{identifier}", json=identifiers | attributes)).is_success
        drops += await drops_of(http)
    assert drops


async def test_attributes_in_the_place_of_deleted_ones_are_not_too_many(sandbox: RunningSandbox) -> None:
    sandbox.add_person("1", attributes={f"a{number}": 1 for number in range(200)})
    sandbox.add_person("1", attributes={f"a{number}": 1 for number in range(200, 300)})
    assert len(sandbox.add_person("1", attributes={"a0": None, "new": 1, "a1": 2}).attributes) == 300


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "id, email: pass at least one"),
        ({"id": ""}, "id: must be a string that is not empty"),
        ({"id": 1}, "id: must be a string that is not empty"),
        ({"id": "\ud800"}, "id: contains a lone surrogate"),
        ({"id": "ann@example.com"}, "id: the Track API would take it for"),
        ({"id": "cio_03000001"}, "id: the Track API would take it for"),
        ({"email": "ann"}, "email: must contain @"),
        ({"email": ""}, "email: must be a string that is not empty"),
        ({"id": "1", "attributes": {"a": float("nan")}}, "attributes: must be an object of JSON values"),
        ({"id": "1", "attributes": {"a": object()}}, "attributes: must be an object of JSON values"),
        ({"id": "1", "attributes": {"a": "\ud800"}}, "attributes: must be an object of JSON values"),
        ({"id": "1", "attributes": ["a"]}, "attributes: must be an object of JSON values"),
        ({"id": "1", "attributes": {"email": "a@x"}}, "attributes: email is not an attribute"),
        ({"id": "1", "attributes": {"_update": True}}, "attributes: _update is not an attribute"),
    ],
)
async def test_invalid_person_is_an_error(sandbox: RunningSandbox, arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}"):
        sandbox.add_person(**arguments)
    assert sandbox.people == ()


@pytest.mark.parametrize(
    ("person", "arguments", "problem"),
    [
        ("1", {"name": " "}, "name cannot be blank"),
        ("1", {"name": "x" * 101}, "the real API would silently drop this: the event name exceeds 100 bytes"),
        ("1", {"name": None}, "name: must be a string"),
        ("1", {"name": "\ud800"}, "name: contains a lone surrogate"),
        ("1", {"type": "click"}, "type: must be one of event, page, screen"),
        ("1", {"timestamp": 1.5}, "timestamp must be in UNIX seconds"),
        ("1", {"timestamp": -1}, "timestamp must be in UNIX seconds"),
        ("1", {"data": {"a": {1, 2}}}, "data: must be an object of JSON values"),
        ("1", {"data": {"a": "x" * 10**5}}, "the real API would silently drop this: the event data exceeds"),
        ("cio_09", {}, "the real API would silently drop this: no person has the cio_id"),
        ("1" * 151, {}, "the real API would silently drop this: the identifier exceeds 150 bytes"),
        ("", {}, "person: must be a string that is not empty"),
        (None, {}, "person: must be a string that is not empty"),
    ],
)
async def test_invalid_event_is_an_error(
    sandbox: RunningSandbox, person: Any, arguments: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValueError, match=f"^{problem}"):
        sandbox.add_event(person, **{"name": "bought"} | arguments)
    assert (sandbox.people, sandbox.events, sandbox.dropped) == ((), (), ())


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"id": 0}, "id: Input should be greater than or equal to 1"),
        ({"id": 10**10}, "id: Input should be less than 10000000000"),
        ({"id": "7"}, "id: Input should be a valid integer"),
        ({"id": True}, "id: Input should be a valid integer"),
        ({"name": " "}, "name: must not be blank"),
        ({"name": "x" * 201}, "name: String should have at most 200 characters"),
        ({"name": "\ud800"}, "name: Input should be a valid string"),
        ({"kind": "computed"}, "kind: Input should be 'manual' or 'data-driven'"),
        ({"members": ["1", "2"]}, "members: no person is '2'; people must exist before"),
        ({"members": [None]}, "members: must be a string that is not empty"),
        ({"members": "1"}, "members: must be a list of people"),
        ({"members": {"1": True}}, "members: must be a list of people"),
        ({"members": Person("03000001", "1", None, {})}, "members: must be a list of people"),
        ({"members": None}, "members: must be a list of people"),
    ],
)
async def test_invalid_segment_is_an_error(sandbox: RunningSandbox, arguments: dict[str, Any], problem: str) -> None:
    sandbox.add_person("1")
    with pytest.raises(ValueError, match=f"^{problem}"):
        sandbox.add_segment(**VIP | arguments)
    assert [segment.id for segment in sandbox.segments] == [1, 2, 3]


async def test_segments_over_the_maximum_are_refused(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    for number in range(4, MAX_SEGMENTS + 1):
        sandbox.add_segment(number, "x")
    with pytest.raises(ValueError, match="it keeps at most 1000 segments"):
        sandbox.add_segment(MAX_SEGMENTS + 1, "x")
    refused = await http.post("/_sandbox/segments", json={"id": MAX_SEGMENTS + 1, "name": "x"})
    assert (refused.status_code, "at most 1000 segments" in refused.text) == (400, True)
    sandbox.add_segment(MAX_SEGMENTS, "replaced")
    assert (len(sandbox.segments), sandbox.segments[-1].name) == (MAX_SEGMENTS, "replaced")


async def test_members_over_the_maximum_are_refused(
    http: httpx.AsyncClient, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("customerio_track_mcp.sandbox.state.MAX_MEMBERS", 3)
    people = [sandbox.add_person(str(number)) for number in range(4)]
    sandbox.add_segment(7, "VIP", members=people[:2])
    with pytest.raises(ValueError, match="at most 3 members together"):
        sandbox.add_segment(8, "more", members=people[:2])
    refused = await http.post("/api/v1/segments/1/add_customers", json={"ids": ["1", "2", "unknown"]})
    assert (refused.status_code, "at most 3 members" in refused.text) == (400, True)
    assert sandbox.dropped == ()
    for _ in range(2):  # who is in it already does not count again
        assert (await http.post("/api/v1/segments/7/add_customers", json={"ids": ["0", "1", "3"]})).is_success
    assert MAX_MEMBERS > 3


FAULTS: list[tuple[Callable[[RunningSandbox], None], dict[str, object]]] = [
    (lambda sandbox: sandbox.fail_next(), {"kind": "status", "status": 503}),
    (
        lambda sandbox: sandbox.fail_next(429, 2, retry_after="3", operation="track"),
        {"kind": "status", "status": 429, "count": 2, "retry_after": "3", "operation": "track"},
    ),
    (lambda sandbox: sandbox.lose_reply(), {"kind": "lost_reply"}),
    (
        lambda sandbox: sandbox.lose_reply(2, operation="identify"),
        {"kind": "lost_reply", "count": 2, "operation": "identify"},
    ),
    (lambda sandbox: sandbox.delay_next(0.5), {"kind": "delay", "seconds": 0.5}),
    (
        lambda sandbox: sandbox.delay_next(2, 3, operation="track"),
        {"kind": "delay", "seconds": 2, "count": 3, "operation": "track"},
    ),
    (lambda sandbox: sandbox.reset_next(), {"kind": "reset"}),
    (
        lambda sandbox: sandbox.reset_next(4, operation="find_region"),
        {"kind": "reset", "count": 4, "operation": "find_region"},
    ),
    (lambda sandbox: sandbox.redirect_next(), {"kind": "redirect"}),
    (
        lambda sandbox: sandbox.redirect_next("https://other.example", 2, operation="track"),
        {"kind": "redirect", "location": "https://other.example", "count": 2, "operation": "track"},
    ),
]


@pytest.mark.parametrize(("inject", "fault"), FAULTS)
async def test_fault_is_the_one_of_the_endpoint(
    http: httpx.AsyncClient, sandbox: RunningSandbox, inject: Callable[[RunningSandbox], None], fault: dict[str, object]
) -> None:
    inject(sandbox)
    assert (await http.post("/_sandbox/faults", json=fault)).is_success
    injected, posted = (await state_of(http))["faults"]
    assert injected | {"id": 2} == posted


async def test_faults_take_effect(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    sandbox.fail_next(429, retry_after="7")
    sandbox.reset_next()
    sandbox.redirect_next("https://other.example")
    sandbox.lose_reply()
    failed = await http.put("/api/v1/customers/failed", json={})
    assert (failed.status_code, failed.headers["Retry-After"]) == (429, "7")
    with pytest.raises(httpx.TransportError):
        await http.put("/api/v1/customers/reset", json={})
    redirected = await http.put("/api/v1/customers/redirected", json={})
    assert redirected.status_code == 307
    assert redirected.headers["Location"] == "https://other.example/api/v1/customers/redirected"
    with pytest.raises(httpx.TransportError):
        await http.put("/api/v1/customers/lost", json={})
    assert [person.id for person in sandbox.people] == ["lost"]
    assert [request.fault for request in sandbox.requests] == ["status", "reset", "redirect", "lost_reply"]
    assert [request.status for request in sandbox.requests] == [429, None, 307, None]


async def test_delayed_request_is_there_before_its_response(sandbox: RunningSandbox) -> None:
    sandbox.delay_next(600)
    async with httpx.AsyncClient(base_url=sandbox.url, auth=AUTH, trust_env=False) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.put("/api/v1/customers/1", json={}, timeout=httpx.Timeout(30, read=0.05))
    assert [person.id for person in sandbox.people] == ["1"]
    await wait_until(lambda: sandbox.requests[0].seconds is not None)
    assert (sandbox.requests[0].status, sandbox.requests[0].fault) == (None, "delay")


@pytest.mark.parametrize(
    ("inject", "problem"),
    [
        (lambda sandbox: sandbox.fail_next(200), "status: Input should be greater than or equal to 400"),
        (lambda sandbox: sandbox.fail_next(times=0), "times: Input should be greater than or equal to 1"),
        (lambda sandbox: sandbox.fail_next(retry_after="\n"), "retry_after: String should match"),
        (lambda sandbox: sandbox.lose_reply(1001), "times: Input should be less than or equal to 1000"),
        (lambda sandbox: sandbox.lose_reply(operation="delete"), "operation: Input should be 'identify', "),
        (lambda sandbox: sandbox.delay_next(0), "seconds: Input should be greater than 0"),
        (lambda sandbox: sandbox.delay_next(float("nan"), 0), "times: .+; seconds: "),
        (lambda sandbox: sandbox.redirect_next("x" * 1001), "location: String should have at most 1000"),
    ],
)
async def test_invalid_fault_is_an_error(
    http: httpx.AsyncClient, sandbox: RunningSandbox, inject: Callable[[RunningSandbox], None], problem: str
) -> None:
    with pytest.raises(ValueError, match=f"^{problem}"):
        inject(sandbox)
    assert (await state_of(http))["faults"] == []


async def test_too_many_faults_are_an_error(sandbox: RunningSandbox) -> None:
    for _ in range(MAX_QUEUED_FAULTS):
        sandbox.reset_next()
    with pytest.raises(ValueError, match="at most 100 faults may wait"):
        sandbox.reset_next()


async def test_reset_restores_the_beginning(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    before = await state_of(http)
    sandbox.add_segment(1, "replaced", "data-driven")
    sandbox.add_segment(7, "VIP", members=[sandbox.add_person("1")])
    sandbox.fail_next(times=5, operation="find_region")
    await http.put("/api/v1/customers/1", json={"note": "x" * 1001})
    sandbox.reset()
    assert (sandbox.people, sandbox.events, sandbox.dropped, sandbox.requests) == ((), (), (), ())
    assert await state_of(http) == before


async def test_nothing_dropped_is_asserted(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    await http.put("/api/v1/customers/1", json={"plan": "pro"})
    sandbox.assert_nothing_dropped()
    await http.put("/api/v1/customers/1", json={"note": "x" * 1001})
    with pytest.raises(AssertionError) as error:
        sandbox.assert_nothing_dropped()
    assert str(error.value).splitlines() == [
        "the real API would have accepted with 200, and silently dropped, one thing:",
        "  identify 1: attribute 'note': the attribute value exceeds 1000 bytes",
    ]


async def test_long_list_of_drops_is_shortened(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    await http.put("/api/v1/customers/1", json={f"a{number}": "x" * 1001 for number in range(53)})
    with pytest.raises(AssertionError) as error:
        sandbox.assert_nothing_dropped()
    heading, *lines, last = str(error.value).splitlines()
    assert heading.endswith("silently dropped, 53 things:")
    assert len(lines) == 20
    assert last == "  … and 33 more"


@pytest.mark.parametrize("text", ["\n  identify 2: invented", "\x1b[31m", "\u202egpj", "\u2028", "x" * 9999])
async def test_text_of_a_drop_is_printable_and_short(
    http: httpx.AsyncClient, sandbox: RunningSandbox, text: str
) -> None:
    await http.put("/api/v1/customers/1", json={f"{text}{'n' * 151}": 1, "email": text})
    ids = [f"{text}@x"]
    await http.post("/api/v1/segments/1/add_customers", json={"ids": ids}, params={"id_type": "email"})
    await http.put(f"/api/v1/customers/{quote(text + 'x' * 150)}", json={})
    with pytest.raises(AssertionError) as error:
        sandbox.assert_nothing_dropped()
    lines = str(error.value).splitlines()
    assert len(lines) == 1 + len(sandbox.dropped)
    assert all(line.isprintable() and len(line) < 400 for line in lines)


async def test_state_can_be_read_after_the_block() -> None:
    async with run_sandbox() as sandbox:
        person = sandbox.add_person("1")
    assert sandbox.people == (person,)
