"""`POST /_sandbox/segments`: a test in any language adds the segments that its program expects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from customerio_track_mcp.sandbox import DataFileError, RunningSandbox, run_sandbox
from customerio_track_mcp.sandbox.bounds import MAX_SEGMENT_BODY_BYTES
from customerio_track_mcp.sandbox.records import Change
from customerio_track_mcp.sandbox.storage import Storage
from tests.support.sandbox_changes import next_message
from tests.support.sandbox_state import AUTH, state_of

VIP = {"id": 7, "name": "VIP", "kind": "manual", "members": []}


async def segments_of(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    segments: list[dict[str, Any]] = (await state_of(http))["segments"]
    return segments


async def test_segment_is_added_and_gets_members(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    response = await http.post("/_sandbox/segments", json={"id": 7, "name": "VIP"})
    assert (response.status_code, response.json()) == (200, VIP)
    assert VIP in await segments_of(http)
    await http.put("/api/v1/customers/1", json={})
    assert (await http.post("/api/v1/segments/7/add_customers", json={"ids": ["1"]})).status_code == 200
    assert [member.id for member in sandbox.segments[-1].members] == ["1"]
    assert sandbox.dropped == ()


async def test_segment_with_the_same_id_is_replaced(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    sandbox.add_segment(7, "Old", members=[sandbox.add_person("1")])
    response = await http.post("/_sandbox/segments", json={"id": 7, "name": "Computed", "kind": "data-driven"})
    assert response.json() == {"id": 7, "name": "Computed", "kind": "data-driven", "members": []}
    assert (await http.post("/api/v1/segments/7/add_customers", json={"ids": ["1"]})).status_code == 400


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "Invalid JSON"),
        (b"[]", "Input should be an object"),
        (b"{}", "id: Field required"),
        (b'{"id": 7}', "name: Field required"),
        (b'{"id": "7", "name": "VIP"}', "id: Input should be a valid integer"),
        (b'{"id": 7.0, "name": "VIP"}', "id: Input should be a valid integer"),
        (b'{"id": 0, "name": "VIP"}', "id: Input should be greater than or equal to 1"),
        (b'{"id": 10000000000, "name": "VIP"}', "id: Input should be less than 10000000000"),
        (b'{"id": 7, "name": " \\u2003"}', "name: must not be blank"),
        (b'{"id": 7, "name": "\\ud800"}', "Invalid JSON"),
        (b'{"id": 7, "name": "VIP", "kind": "computed"}', "kind: Input should be 'manual' or 'data-driven'"),
        (b'{"id": 7, "name": "VIP", "members": ["1"]}', "members: Extra inputs are not permitted"),
        (b'{"id": 7, "name": "' + b"x" * 201 + b'"}', "name: String should have at most 200 characters"),
        (b"[" * 10_000, "Invalid JSON"),
    ],
)
async def test_invalid_segment_is_rejected(http: httpx.AsyncClient, body: bytes, problem: str) -> None:
    before = await segments_of(http)
    response = await http.post("/_sandbox/segments", content=body)
    assert response.status_code == 400
    assert any(error.startswith(problem) for error in response.json()["meta"]["errors"]), response.text
    assert await segments_of(http) == before


async def test_large_segment_is_rejected(http: httpx.AsyncClient) -> None:
    body = b'{"id": 7, "name": "VIP"}'.ljust(MAX_SEGMENT_BODY_BYTES + 1)
    assert (await http.post("/_sandbox/segments", content=body)).status_code == 413
    assert (await http.post("/_sandbox/segments", content=body[:-1])).status_code == 200


async def test_new_segment_is_published(http: httpx.AsyncClient) -> None:
    async with http.stream("GET", "/_sandbox/changes") as stream:
        lines = stream.aiter_lines()
        await next_message(lines)
        await http.post("/_sandbox/segments", json={"id": 7, "name": "VIP"})
        expected = {"kind": "segment", "key": "7", "record": VIP, "oldest": None}
        assert await next_message(lines) == ("change", expected)


@pytest.fixture
async def stored(tmp_path: Path) -> Path:
    """A data file with a new segment, a replaced one, and a member of each."""
    file = tmp_path / "sandbox.db"
    async with run_sandbox(data=file) as sandbox, httpx.AsyncClient(base_url=sandbox.url, auth=AUTH) as http:
        person = sandbox.add_person("1")
        await http.post("/_sandbox/segments", json={"id": 7, "name": "VIP"})
        await http.post("/api/v1/segments/7/add_customers", json={"ids": ["1"]})
        sandbox.add_segment(3, "Replaced", members=[person])
    return file


async def test_segments_are_kept_in_the_data_file(stored: Path) -> None:
    async with run_sandbox(data=stored) as sandbox:
        assert [(segment.id, segment.name, len(segment.members)) for segment in sandbox.segments] == [
            (1, "Beta testers", 0),
            (2, "Webinar guests", 0),
            (3, "Replaced", 1),
            (7, "VIP", 1),
        ]


async def test_reset_restores_the_first_segments_in_the_data_file_too(stored: Path) -> None:
    async with run_sandbox() as sandbox:
        first = sandbox.segments
    async with run_sandbox(data=stored) as sandbox, httpx.AsyncClient(base_url=sandbox.url) as http:
        await http.post("/_sandbox/reset")
        assert sandbox.segments == first
    async with run_sandbox(data=stored) as sandbox:
        assert sandbox.segments == first


@pytest.mark.parametrize(("bound", "value"), [("MAX_SEGMENTS", 3), ("MAX_MEMBERS", 1)])
async def test_data_file_over_a_maximum_is_rejected(
    stored: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(f"customerio_track_mcp.sandbox.state.{bound}", value)
    with pytest.raises(DataFileError, match=r"invalid record \('segment' '[37]': the workspace is full"):
        async with run_sandbox(data=stored):
            pass


async def test_people_whom_a_data_file_does_not_contain_are_shown_without_identifiers(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    with Storage(file) as storage:
        storage.save(Change("segment", "1", {"id": 1, "name": "x", "kind": "manual", "members": ["03000001"]}))
    async with run_sandbox(data=file) as sandbox:
        (member,) = sandbox.segments[0].members
    assert (member.cio_id, member.id, member.email, member.attributes) == ("03000001", None, None, {})
