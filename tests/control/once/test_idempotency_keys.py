"""A caller's own key: which keys are valid, and which event ids they stand for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from customerio_track_mcp.control.once.idempotency_keys import (
    IDEMPOTENCY_KEY,
    MAX_KEY_CHARACTERS,
    event_id_of,
    read_idempotency_key,
)
from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.track import InvalidArgumentsError
from tests.support.once import EVENT, keyed, once_handlers
from tests.support.scripted_server import ScriptedServer, reset


@given(st.binary(min_size=32, max_size=32))
def test_every_derived_id_is_a_ulid(fingerprint: bytes) -> None:
    event_id = event_id_of(fingerprint)
    assert str(ULID.from_str(event_id)) == event_id
    assert event_id_of(fingerprint) == event_id


@pytest.mark.parametrize(
    ("meta", "header", "key"),
    [
        (None, None, ""),
        ({}, None, ""),
        ({IDEMPOTENCY_KEY: None}, None, ""),
        ({IDEMPOTENCY_KEY: "a"}, None, "a"),
        ({IDEMPOTENCY_KEY: '"a"'}, None, '"a"'),
        ({IDEMPOTENCY_KEY: "a"}, "b", "a"),
        ({IDEMPOTENCY_KEY: None}, "b", "b"),
        (None, "b", "b"),
        (None, '"b"', "b"),
        (None, ' "b c" ', "b c"),
        (None, r'"\"b\" \\"', r'"b" \ '.strip()),
        (None, '"', '"'),
        (None, "x" * MAX_KEY_CHARACTERS, "x" * MAX_KEY_CHARACTERS),
        ({IDEMPOTENCY_KEY: "ü\ud800"}, None, "ü\ud800"),
    ],
)
def test_key_of_a_call(meta: dict[str, Any] | None, header: str | None, key: str) -> None:
    assert read_idempotency_key(meta, header) == key


@pytest.mark.parametrize(
    ("meta", "header", "problem"),
    [
        ({IDEMPOTENCY_KEY: 7}, None, f"_meta.{IDEMPOTENCY_KEY}: must be a string"),
        ({IDEMPOTENCY_KEY: ["a"]}, "b", f"_meta.{IDEMPOTENCY_KEY}: must be a string"),
        ({IDEMPOTENCY_KEY: " \n"}, None, f"_meta.{IDEMPOTENCY_KEY}: is blank"),
        ({IDEMPOTENCY_KEY: "x" * 256}, None, f"_meta.{IDEMPOTENCY_KEY}: is 256 characters long; the maximum is 255"),
        (None, "", "Idempotency-Key: is blank"),
        (None, '""', "Idempotency-Key: is blank"),
        (None, "x" * 300, "Idempotency-Key: is 300 characters long"),
    ],
)
def test_invalid_key_is_reported_by_its_name(meta: dict[str, Any] | None, header: str | None, problem: str) -> None:
    with pytest.raises(InvalidArgumentsError, match=f"^{problem}"):
        read_idempotency_key(meta, header)


async def test_a_key_is_the_same_event_in_every_process_with_the_same_arguments(sandbox: RunningSandbox) -> None:
    ids = []
    for arguments in (EVENT, EVENT | {"data": {"items": [1, 2], "order": "A-17"}}, EVENT | {"data": {"order": "A-18"}}):
        async with once_handlers(sandbox.url) as handlers:
            call = keyed("order 17")
            assert (await handlers.send_event(arguments, call)).success
            ids.append(call.record.event_id)
    assert ids[0] == ids[1] != ids[2]
    assert len(sandbox.workspace.events) == 2


async def test_another_key_is_another_event(sandbox: RunningSandbox) -> None:
    async with once_handlers(sandbox.url) as handlers:
        for key in ("a", "b", "a", "b", ""):
            assert (await handlers.send_event(EVENT, keyed(key))).success
    assert len(sandbox.workspace.events) == 3


async def test_the_other_tools_ignore_a_key(scripted: ScriptedServer) -> None:
    person = {"customer_id": "1", "email": "ann@example.com"}
    async with once_handlers(scripted.url) as handlers:
        for key in ("a", "a", ""):
            assert (await handlers.create_or_update_customer(person, keyed(key))).success
    assert len({request.body for request in scripted.requests}) == 1
    assert len(scripted.requests) == 3


async def test_a_keyed_event_with_unknown_outcome_may_be_repeated_at_any_time(scripted: ScriptedServer) -> None:
    scripted.acts = [reset] * 4
    async with once_handlers(scripted.url, remembers=False) as handlers:
        error = str((await handlers.send_event(EVENT, keyed("a"))).error)
        assert "Calling again with the same arguments and the same idempotency key is safe" in error
        assert "Do not resend" not in error
        assert (await handlers.send_event(EVENT, keyed("a"))).success
    assert len({request.json["id"] for request in scripted.requests}) == 1
