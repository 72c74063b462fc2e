"""The tool calls that a server reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox
from customerio_track_mcp.sandbox.bounds import MAX_CALL_BYTES, MAX_LEVELS
from tests.support.nested import nested_array
from tests.support.sandbox_changes import next_message
from tests.support.sandbox_state import state_of

CALL: dict[str, Any] = {
    "id": "call-1",
    "at": 1767225600.5,
    "seconds": 0.25,
    "tool": "send_event",
    "arguments": {"customer_id": "1", "event_name": "bought"},
    "result": {"success": True},
    "is_error": False,
    "outcome": "ok",
}
ADDED = CALL | {"meta": None, "client": "", "number": 1}


def padded(size: int) -> bytes:
    """Return a call as JSON of a size in bytes."""
    call = httpx.Request("POST", "http://localhost", json=CALL | {"client": "x"}).content
    return call.replace(b'"x"', b'"' + b"x" * (size - len(call) + 1) + b'"')


async def test_reported_call_is_in_the_state_and_published(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    async with http.stream("GET", "/_sandbox/changes") as stream:
        lines = stream.aiter_lines()
        assert (await next_message(lines))[1]["calls"] == []
        response = await http.post("/_sandbox/calls", json=CALL)
        assert (response.status_code, response.json()) == (200, {})
        sandbox.record_call(CALL | {"id": "call-2", "meta": {"a": [1]}, "client": "host 1.0"})
        changes = [(await next_message(lines))[1] for _ in range(2)]
    assert [(change["kind"], change["key"], change["oldest"]) for change in changes] == [
        ("call", "1", 1),
        ("call", "2", 1),
    ]
    first, second = (await state_of(http))["calls"]
    assert first == ADDED
    assert (second["number"], second["meta"], second["client"]) == (2, {"a": [1]}, "host 1.0")


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        ({name: value for name, value in CALL.items() if name != "tool"}, "tool: "),
        (CALL | {"phone": 1}, "1 unknown fields; the fields are id, at, "),
        (CALL | {"at": "noon"}, "at: "),
        (CALL | {"at": "nan"}, "at: "),  # Python's float accepts it, and JSON cannot contain it
        (CALL | {"seconds": "-inf"}, "seconds: "),
        (CALL | {"result": []}, "result: "),
        (CALL | {"id": ""}, "id: expected 1 to 100 printable ASCII characters"),
        (CALL | {"id": "a" * 101}, "id: expected 1 to 100 printable ASCII characters"),
        (CALL | {"id": "a\n"}, "id: expected 1 to 100 printable ASCII characters"),
        ([], "not a JSON object"),
    ],
)
async def test_invalid_call_is_rejected_with_the_problem(
    http: httpx.AsyncClient, sandbox: RunningSandbox, call: Any, problem: str
) -> None:
    response = await http.post("/_sandbox/calls", json=call)
    assert response.status_code == 400
    assert response.json()["meta"]["errors"][0].startswith(problem)
    with pytest.raises(ValueError, match=f"^{problem}"):
        sandbox.record_call(call)
    assert (await state_of(http))["calls"] == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"at": NaN}', b'{"arguments": ' + b"[" * 100_000])
async def test_what_is_not_json_is_rejected(http: httpx.AsyncClient, content: bytes) -> None:
    response = await http.post("/_sandbox/calls", content=content)
    assert (response.status_code, response.json()["meta"]["errors"]) == (400, ["not valid JSON"])


async def test_arguments_that_cannot_be_json_are_rejected(sandbox: RunningSandbox) -> None:
    endless: list[Any] = []
    endless.append(endless)
    for arguments in (float("nan"), object(), {1j: 1}, endless, nested_array(MAX_LEVELS), nested_array(100_000)):
        with pytest.raises(ValueError, match=r"^not valid JSON$"):
            sandbox.record_call(CALL | {"arguments": arguments})


async def test_the_deepest_arguments_can_be_read_again(tmp_path: Path) -> None:
    arguments = nested_array(MAX_LEVELS - 1)
    for _ in range(2):  # the second time with what the file contains
        async with run_sandbox(data=tmp_path / "sandbox.db") as sandbox:
            sandbox.record_call(CALL | {"arguments": arguments})
            (call,) = sandbox.calls.log
            assert call.arguments == arguments


async def test_lone_surrogates_are_replaced(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    sandbox.record_call(CALL | {"arguments": {"name": "a\ud800b"}})
    call = CALL | {"id": "call-2"}
    content = b'{"arguments": "a\\ud800b", ' + httpx.Request("POST", "http://a", json=call).content[1:]
    assert (
        await http.post("/_sandbox/calls", content=content.replace(b'"arguments":{', b'"meta":{'))
    ).status_code == 200
    assert [call["arguments"] for call in (await state_of(http))["calls"]] == [{"name": "a?b"}, "a?b"]


async def test_repeated_report_is_ignored(tmp_path: Path) -> None:
    for _ in range(2):  # the second time with what the file contains
        async with run_sandbox(data=tmp_path / "sandbox.db") as sandbox:
            sandbox.record_call(CALL)
            sandbox.record_call(CALL | {"outcome": "failed"})
            assert [call.outcome for call in sandbox.calls.log] == ["ok"]


async def test_id_may_be_used_again_after_a_reset(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    sandbox.record_call(CALL)
    await http.post("/_sandbox/reset")
    sandbox.record_call(CALL)
    assert len(sandbox.calls.log) == 1


async def test_later_changes_of_what_was_reported_do_not_change_the_record(
    http: httpx.AsyncClient, sandbox: RunningSandbox
) -> None:
    arguments = {"customer_id": "1"}
    sandbox.record_call(CALL | {"arguments": arguments})
    arguments["customer_id"] = "2"
    assert (await state_of(http))["calls"][0]["arguments"] == {"customer_id": "1"}


async def test_call_may_have_the_maximum_size(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    largest = padded(MAX_CALL_BYTES)
    assert len(largest) == MAX_CALL_BYTES
    assert (await http.post("/_sandbox/calls", content=largest)).status_code == 200
    response = await http.post("/_sandbox/calls", content=largest + b" ")
    assert response.status_code == 413
    assert "the maximum is 1048576 bytes" in response.json()["meta"]["errors"][0]
    with pytest.raises(ValueError, match="the maximum is 1048576 bytes"):
        sandbox.record_call(CALL | {"client": "x" * MAX_CALL_BYTES})
    assert len((await state_of(http))["calls"]) == 1


async def test_large_calls_are_kept_within_the_memory_bound(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    for number in range(50):
        sandbox.record_call(CALL | {"id": str(number), "client": "x" * 1_000_000})
    calls = (await state_of(http))["calls"]
    assert 25 < len(calls) < 40
    assert calls[-1]["number"] == 50


async def test_reset_removes_the_calls(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    sandbox.record_call(CALL)
    await http.post("/_sandbox/reset")
    assert (await state_of(http))["calls"] == []
    sandbox.record_call(CALL)
    assert (await state_of(http))["calls"] == [ADDED]
