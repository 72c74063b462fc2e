"""Messages for the SDK: none is lost, none is changed in meaning, and none of them is an exception."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

import mcp_types as types
import pydantic_core
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customerio_track_mcp.jsonrpc import InvalidMessageError, normalize_message, parse_message, too_long
from customerio_track_mcp.lenient_json import MAX_ELEMENTS
from customerio_track_mcp.tools.received_arguments import read_arguments
from customerio_track_mcp.track import InvalidArgumentsError
from tests.support.raw_messages import LEGACY, MODERN, event, raw_call, raw_request

Result = TypeVar("Result")

TEXT = st.text(st.characters(exclude_categories=[]), max_size=5)  # lone surrogates too
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=5)
IDS: st.SearchStrategy[object] = JSON | st.sampled_from([0, 1, 1.0, -2.0, 1e20, 1.5, "1", "", None, True, [], {}])
METHODS = st.sampled_from(["ping", "tools/list", "tools/call", "initialize", "notifications/cancelled"]) | JSON
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | JSON,
        "id": IDS,
        "method": METHODS,
        "params": JSON
        | st.fixed_dictionaries({}, optional={"name": TEXT, "arguments": JSON, "requestId": IDS, "_meta": JSON}),
        "result": JSON,
        "error": st.just({"code": 1, "message": "x"}) | JSON,
        "extra": JSON,
    },
)
SENT = (
    MESSAGES.map(lambda message: json.dumps(message).encode())
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.binary()
    | st.builds(lambda message, junk: json.dumps(message).encode() + junk, MESSAGES, st.binary(max_size=3))
    | st.builds(lambda message, junk: json.dumps(message).encode()[:-1] + junk + b"}", MESSAGES, st.binary(max_size=3))
)


def read_by_sdk(body: bytes) -> types.JSONRPCMessage:
    """Read a body as the SDK's transports over HTTP do; both must agree."""
    value = pydantic_core.from_json(body)
    assert json.dumps(json.loads(body)) == json.dumps(value)
    return types.jsonrpc_message_adapter.validate_python(value, by_name=False)


def outline_of(message: types.JSONRPCMessage) -> str:
    """Return what a message says, with the arguments as a tool reads them."""
    members = message.model_dump(exclude_unset=True)
    if isinstance(params := members.get("params"), dict):
        try:
            params["arguments"] = dict(read_arguments(params.get("arguments")))
        except InvalidArgumentsError as error:
            params["arguments"] = str(error)
    return f"{sorted(members)} {json.dumps(members, sort_keys=True)}"


def result_of(function: Callable[[bytes], Result], data: bytes) -> Result | InvalidMessageError:
    try:
        return function(data)
    except InvalidMessageError as invalid:
        return invalid


@settings(max_examples=500, deadline=None)
@given(SENT)
def test_every_message_gets_an_error_or_means_the_same_to_the_sdk(data: bytes) -> None:
    parsed, normalized = result_of(parse_message, data), result_of(normalize_message, data)
    if isinstance(parsed, InvalidMessageError):
        assert isinstance(normalized, InvalidMessageError)
        assert normalized.response == parsed.response
        json.loads(parsed.response.model_dump_json(exclude_unset=True).encode())
    else:
        assert isinstance(normalized, tuple)
        content, request = normalized
        assert outline_of(read_by_sdk(content)) == outline_of(parsed)
        assert request is None or (content is data and outline_of(request) == outline_of(parsed))
        assert isinstance(parsed, types.JSONRPCNotification) is ("id" not in json.loads(data))


@pytest.mark.parametrize("version", [LEGACY, MODERN])
def test_ordinary_requests_are_passed_on_as_they_are(version: str) -> None:
    for data in (
        raw_call(version, event()),
        raw_call(version, event(data='{"name": "Jürgen \\ud83d\\ude00", "list": [[], {}]}'), request_id='"a"'),
        raw_call(version, None),
        raw_call(version, event(data='{"list": []}')).replace(
            b'ilities": {}', b'ilities": {"sampling": {"tools": {}}}'
        ),
        raw_request(version, "tools/list", "2"),
    ):
        content, request = normalize_message(data)
        assert content is data
        assert request == parse_message(data)


@pytest.mark.parametrize(
    ("start", "end", "request_id"),
    [
        (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{', b'"}}', 7),
        (b'\xef\xbb\xbf { "id" : "a\\"b" , "params" : {', b'"}}', 'a"b'),
        (b'{"method":"ping","params":{"id":1,', b'x"},"jsonrpc":"2.0","id":-7}\r', -7),
        (b'{"method":"ping","params":{"id":1,', b'x"},"id":"seven","jsonrpc":"2.0"}', "seven"),
        (b'{"method":"ping","params":{"id":1,', b'"id":2}}', None),
        (b'{"method":"ping","params":{', b'xxx","id":2"}}', None),
        (b'{"id":7.5,"params":{', b'"}}', None),
        (b'{"id":"\xff","params":{', b'"}}', None),
        (b'{"id":"\\ud800","params":{', b'"}}', None),
        (b'{"id":"' + b"x" * 300 + b'","params":{', b'"}}', None),
        (b'{"id":"' + b"x" * 1000, b"x" * 1000, None),
        (b"[" * 1000, b"]" * 1000, None),
        (b"\\" * 1000, b'"' * 1000, None),
    ],
)
def test_id_of_a_message_that_is_too_long_is_read_from_its_edges(
    start: bytes, end: bytes, request_id: int | str | None
) -> None:
    response = too_long(start, end, 10).response
    assert (response.id, response.error.code) == (request_id, -32600)
    assert "the maximum is 10 bytes" in response.error.message


@pytest.mark.parametrize("function", [parse_message, normalize_message])
@pytest.mark.parametrize(
    ("before", "after", "request_id"),
    [
        ('"jsonrpc":"2.0","id":7,"method":"ping","params":', "", 7),
        ('"method":"ping","params":', ',"jsonrpc":"2.0","id":"a"', "a"),
        ('"id":1.0,"params":', ',"method":"ping"', 1),
        ('"id":"]","params":', "", "]"),
        ('"params":', "", None),
        ('"id":{},"params":', "", None),
    ],
)
def test_too_many_elements_are_reported_with_the_id(
    function: Callable[[bytes], object], before: str, after: str, request_id: object
) -> None:
    params = f'{{"id":8,"x":[{"[]," * MAX_ELEMENTS}{{"id":9}}]}}'
    with pytest.raises(InvalidMessageError, match=f"more than {MAX_ELEMENTS} elements") as caught:
        function(f"{{{before}{params}{after}}}".encode())
    assert caught.value.response.id == request_id
