"""JSON-RPC messages as clients send them: which are accepted, as what, and which get which error.

The SDK takes a request with an unusual id for a notification, which gets no response
(https://github.com/modelcontextprotocol/python-sdk/issues/2057), and over HTTP each protocol version rejects different
JSON. Messages that it reads correctly are passed on as they are. The rest of this module can go when it reads all of
them correctly.

`parse_message` is for a transport that passes on messages, `normalize_message` for one that passes on bytes.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import mcp_types as types
from pydantic import ConfigDict, ValidationError

from customerio_track_mcp.lenient_json import (
    MAX_DEPTH,
    MAX_ELEMENTS,
    NestedTooDeeplyError,
    depth_of,
    empty_below,
    has_too_many_elements,
    parse_json,
)

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_MAX_EXACT_FLOAT: Final = 2**53  # from here on, two whole numbers can be the same float
_LEVELS_AROUND_ARGUMENTS: Final = 2  # the message and its params
_TOO_DEEP: Final = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
"""Replaces arguments that are nested too deeply. The tool reads it as JSON, and reports that."""

_MAX_LENGTH: Final = 256
"""Characters of an id and of a method. Every response repeats the id, and the SDK keeps it while a request runs."""
_MAX_BATCH_BYTES: Final = 2**16
"""A longer array is rejected without parsing it, so it may be invalid JSON."""

EDGE_BYTES: Final = 2**10
"""Size of the start and of the end of a message that is not parsed, in which its id is searched."""

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_STRING: Final = rb'"(?:[^"\\]|\\.)*+"'
_ID: Final = rb'"id"\s*+:\s*+(?P<id>-?[0-9]+(?:\.[0-9]+)?|' + _STRING + rb")\s*+"
# Before and after the id, clients write the version and the method. What precedes the last brace is a member of the
# message, since that brace ends the message.
_SHORT_MEMBERS: Final = rb'(?:"(?:jsonrpc|method)"\s*+:\s*+' + _STRING + rb"\s*+,\s*+)*+"
_ID_AT_START: Final = re.compile(rb"\s*+\{\s*+" + _SHORT_MEMBERS + _ID + rb"[,}]")
_ID_AT_END: Final = re.compile(rb",\s*+" + _ID + rb'(?:,\s*+"jsonrpc"\s*+:\s*+"2\.0"\s*+)?\}\s*+$')
_EXPECTED: Final = {
    "jsonrpc": 'must be "2.0"',
    "id": "must be a string or an integer",
    "method": "must be a string",
    "params": "must be an object",
    "result": "must be an object",
    "error": "must be an object with a code and a message",
}


class InvalidMessageError(Exception):
    """Bytes that are not a valid JSON-RPC message.

    Attributes:
        response: the error to send, with the id of the message if that can be read.
    """

    def __init__(self, code: int, text: str, request_id: object = None) -> None:
        super().__init__(text)
        error = types.ErrorData(code=code, message=text)
        self.response = types.JSONRPCError(jsonrpc="2.0", id=_valid_id(request_id), error=error)


class _PlainRequest(types.JSONRPCRequest):
    """A request without unknown members. (With a member `error`, the SDK may take it for a response.)"""

    model_config = ConfigDict(extra="forbid")


def parse_message(data: bytes) -> types.JSONRPCMessage:
    """Parse one message.

    Raises:
        InvalidMessageError: it is not valid.
    """
    _reject_costly(data)
    return _parse_plain_request(data) or _parse_other(data)


def normalize_message(data: bytes) -> tuple[bytes, types.JSONRPCRequest | None]:
    """Return a message in a form that the SDK reads correctly: `data` itself, with few exceptions.

    Returns:
        The message; and if it is `data`, the request in it.

    Raises:
        InvalidMessageError: it is not valid.
    """
    _reject_costly(data)
    if (request := _parse_plain_request(data)) is not None:
        return data, request
    message = _parse_other(data)
    if isinstance(message, types.JSONRPCRequest) and message.method == "tools/call" and message.params:
        arguments = message.params.get("arguments")
        # As a string, which a tool accepts too, since pydantic rejects some of what it may contain.
        message.params["arguments"] = None if arguments is None else json.dumps(arguments)
    return json.dumps(message.model_dump(exclude_unset=True)).encode(), None


def too_long(start: bytes, end: bytes, max_bytes: int) -> InvalidMessageError:
    """Return the error for a message that is too long to be kept, with its id if that is at the start or at the end.

    Args:
        start: the first bytes of the message.
        end: its last bytes.
        max_bytes: the maximum size of a message.
    """
    text = f"Invalid request: the message is too long; the maximum is {max_bytes} bytes; send less in one call"
    return InvalidMessageError(types.INVALID_REQUEST, text, _id_at_an_edge(start, end))


def _id_at_an_edge(start: bytes, end: bytes) -> object:
    """Return the id of a message that is not parsed, if it is at the start or at the end; else None."""
    found = _ID_AT_START.match(start.removeprefix(BYTE_ORDER_MARK)) or _ID_AT_END.search(end)
    try:
        return _read_id(json.loads(found["id"])) if found else None
    except ValueError:
        return None


def _reject_costly(data: bytes) -> None:
    """Reject a message that would take too much time or memory to parse."""
    if len(data) > _MAX_BATCH_BYTES and data.lstrip(BYTE_ORDER_MARK + b" \t\r\n").startswith(b"["):
        raise _not_an_object(is_array=True)
    if has_too_many_elements(data):
        text = (
            f"Invalid request: the message contains more than {MAX_ELEMENTS} elements of arrays and objects, which is "
            "the maximum; nothing was sent; pass less in one call"
        )
        raise InvalidMessageError(types.INVALID_REQUEST, text, _id_at_an_edge(data[:EDGE_BYTES], data[-EDGE_BYTES:]))


def _not_an_object(*, is_array: bool) -> InvalidMessageError:
    expected = "one JSON object; batches are not supported" if is_array else "a JSON object"
    return InvalidMessageError(types.INVALID_REQUEST, f"Invalid request: a message must be {expected}")


def _reject_long_names(message: types.JSONRPCRequest | types.JSONRPCNotification) -> None:
    request_id = message.id if isinstance(message, types.JSONRPCRequest) else None
    for name, value in (("id", request_id), ("method", message.method)):
        if value is not None and _is_long(value):
            text = f"Invalid request: {name} is too long; the maximum is {_MAX_LENGTH} characters"
            raise InvalidMessageError(types.INVALID_REQUEST, text, request_id)


def _is_long(value: types.RequestId) -> bool:
    # As text, an integer has at most 4300 digits: Python parses no longer one.
    return len(value if isinstance(value, str) else str(value)) > _MAX_LENGTH


def _parse_plain_request(data: bytes) -> types.JSONRPCRequest | None:
    """Parse a request that the SDK reads correctly; None for anything else. Nearly all messages are such requests."""
    try:
        request = _PlainRequest.model_validate_json(data, by_name=False)
    except ValidationError:
        return None
    _reject_long_names(request)
    if request.method == "initialize" or (request.params and _has_empty_arrays(request.params)):
        return None
    return request


def _has_empty_arrays(params: dict[str, Any]) -> bool:
    """Return whether `_read_empty_arrays` would change the parameters of a request other than `initialize`."""
    if [] in params.values():
        return True
    meta = params.get("_meta")
    capabilities = meta.get(types.CLIENT_CAPABILITIES_META_KEY) if isinstance(meta, dict) else None
    return capabilities == [] or (isinstance(capabilities, dict) and _contains_empty_array(capabilities))


def _contains_empty_array(members: dict[str, Any]) -> bool:
    for value in members.values():
        if value == [] or (value and isinstance(value, dict) and _contains_empty_array(value)):
            return True
    return False


def _parse_other(data: bytes) -> types.JSONRPCMessage:
    message = _parse_object(_decode(data))
    params = message.get("params")
    arguments: object = None
    if message.get("method") == "tools/call" and isinstance(params, dict):
        arguments = params.pop("arguments", None)  # not validated: the tool reports what is wrong with them
    try:
        parsed = _model_of(message).model_validate_json(json.dumps(message), by_name=False)
    except ValidationError as error:
        raise InvalidMessageError(types.INVALID_REQUEST, _what_is_wrong(error), message.get("id")) from None
    if isinstance(parsed, types.JSONRPCRequest | types.JSONRPCNotification):
        _reject_long_names(parsed)
    if arguments is not None and isinstance(parsed, types.JSONRPCRequest):
        parsed.params = {**(parsed.params or {}), "arguments": arguments}
    return parsed


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        text = f"Parse error: byte {error.start} is not valid UTF-8; send the message in UTF-8"
        readable = data.decode(errors="replace")
    raise InvalidMessageError(types.PARSE_ERROR, text, _id_in(readable))


def _id_in(text: str) -> object:
    """Return the id of a message in which a replacement character stands for each invalid byte; None if it has none."""
    try:
        request_id = _parse_object(text).get("id")
    except InvalidMessageError:
        return None
    return None if isinstance(request_id, str) and "\N{REPLACEMENT CHARACTER}" in request_id else request_id


def _parse_object(text: str) -> dict[str, Any]:
    """Parse a message, of which only the form is checked."""
    try:
        message = _parse_envelope(text)
    except ValueError:
        raise InvalidMessageError(types.PARSE_ERROR, "Parse error: the message is not valid JSON") from None
    if not isinstance(message, dict):
        raise _not_an_object(is_array=isinstance(message, list))
    if "id" in message:
        message["id"] = _read_id(message["id"])
    if message.get("params") == []:
        message["params"] = {}
    if isinstance(params := message.get("params"), dict):
        _read_empty_arrays(params)
        if message.get("method") == "notifications/cancelled" and "requestId" in params:
            params["requestId"] = _read_id(params["requestId"])
    return message


def _parse_envelope(text: str) -> Any:
    try:
        return parse_json(text)
    except NestedTooDeeplyError:
        message = parse_json(empty_below(text, MAX_DEPTH - 1))
    match message:
        case {"params": {"arguments": arguments} as params}:
            if _LEVELS_AROUND_ARGUMENTS + depth_of(json.dumps(arguments)) >= MAX_DEPTH:
                params["arguments"] = _TOO_DEEP  # since some of it may be missing
    return message


def _read_id(value: object) -> object:
    """Return an id as an integer if it is a number without a fraction: in JSON, 1.0 and 1 are the same number.

    A float that is not exact is not changed, so it is not a valid id: the response could have another one.
    """
    if isinstance(value, float) and value.is_integer() and abs(value) < _MAX_EXACT_FLOAT:
        return int(value)
    return value


def _valid_id(value: object) -> types.RequestId | None:
    if not isinstance(value, str | int) or isinstance(value, bool) or _is_long(value):
        return None
    return None if isinstance(value, str) and _SURROGATES.search(value) else value


def _read_empty_arrays(params: dict[str, Any]) -> None:
    """Replace empty arrays by the objects that they stand for, since PHP encodes an empty object as `[]`.

    No request has a parameter that is an array. Capabilities are objects at every level; what an experimental one or an
    extension may contain besides objects is not read. An example of such a client:
    https://github.com/elgorro/aiquila/issues/442
    """
    params |= {name: {} for name, value in params.items() if value == []}
    meta = params.get("_meta")
    pending: list[tuple[dict[str, Any], str]] = [(params, "capabilities")]
    if isinstance(meta, dict):
        pending.append((meta, types.CLIENT_CAPABILITIES_META_KEY))
    while pending:
        parent, name = pending.pop()
        if parent.get(name) == []:
            parent[name] = {}
        if isinstance(members := parent.get(name), dict):
            pending += [(members, inner) for inner in members]


def _model_of(
    message: dict[str, Any],
) -> type[types.JSONRPCRequest | types.JSONRPCNotification | types.JSONRPCResponse | types.JSONRPCError]:
    if "method" not in message:
        if "result" in message:
            return types.JSONRPCResponse
        if "error" in message:
            return types.JSONRPCError
    return types.JSONRPCRequest if "id" in message else types.JSONRPCNotification


def _what_is_wrong(error: ValidationError) -> str:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    names = dict.fromkeys(str(detail["loc"][0]) for detail in details if detail["loc"])
    # Without a name, it is pydantic's JSON parser that has rejected the message.
    expected = [f"{name} {_EXPECTED[name]}" for name in names] or [
        "outside of a tool's arguments, it must not contain lone surrogates or more than 200 levels of nesting"
    ]
    return f"Invalid request: {'; '.join(expected)}"
