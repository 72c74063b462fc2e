"""What is wrong with a response: not valid JSON-RPC, not the documented payload, or an internal error."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator

from fuzz.messages import Message

_MAX_TEXT_CHARACTERS: Final = 20_000
_PROTOCOL_ERRORS: Final = frozenset({-32700, -32600, -32601, -32602, -32002, -32020, -32021, -32022})
_BUG: Final = "this is a bug in the server"


class InvalidJsonError(ValueError):
    """A response is not JSON that every reader can read; the text says why."""


class Checker:
    """Checks responses.

    Args:
        output_schemas: the published output schema of each tool.
    """

    def __init__(self, output_schemas: Mapping[str, Mapping[str, Any]]) -> None:
        self._validators = {name: Draft202012Validator(schema) for name, schema in output_schemas.items()}

    def faults(self, message: Message, response: Mapping[str, Any]) -> Iterator[str]:
        """Yield what is wrong with the response to `message`."""
        if response.get("jsonrpc") != "2.0" or ("result" in response) is ("error" in response):
            yield "the response is not a JSON-RPC response"
            return
        if not any(response.get("id") == owed and type(response.get("id")) is type(owed) for owed in message.ids):
            yield f"the response has the id {response.get('id')!r}"
        if "error" in response:
            if message.tool is not None:
                yield "a call of a known tool is answered with a protocol error"
            yield from _error_faults(response["error"])
        elif message.is_error:
            yield "an invalid message is answered with a result"
        elif message.tool is not None:
            yield from self._result_faults(message.tool, response["result"])

    def _result_faults(self, tool: str, result: Mapping[str, Any]) -> Iterator[str]:
        payload = result.get("structuredContent")
        if error := next(self._validators[tool].iter_errors(payload), None):
            yield f"the payload does not conform to the output schema: {error.message[:300]}"
            return
        assert isinstance(payload, dict)
        content = result.get("content")
        if not isinstance(content, list) or len(content) != 1 or json.loads(content[0]["text"]) != payload:
            yield "the text is not the payload"
        if result.get("isError", False) is payload["success"]:
            yield "isError does not agree with success"
        if (payload.get("error") is None) is not payload["success"] or (payload.get("message") is None) is payload[
            "success"
        ]:
            yield "error or message does not agree with success"
        for name in ("error", "message"):
            yield from _text_faults(name, payload.get(name) or "")


def payload_of(response: Mapping[str, Any]) -> Mapping[str, object] | None:
    """Return the payload in the response to a call; None if there is none."""
    match response:
        case {"result": {"structuredContent": {"success": bool()} as payload}}:
            return payload  # type: ignore[no-any-return]
    return None


def parse(content: bytes) -> Any:
    """Return the value of a response.

    Raises:
        InvalidJsonError: it is not valid UTF-8, not JSON, or contains NaN, an infinity or a lone surrogate.
    """
    try:
        value = json.loads(content.decode(), parse_constant=_reject_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidJsonError(f"the response is not valid JSON: {type(error).__name__}") from None
    return value


def _error_faults(error: Mapping[str, Any]) -> Iterator[str]:
    if error.get("code") not in _PROTOCOL_ERRORS:
        yield f"the error has the code {error.get('code')!r}"
    if not isinstance(error.get("message"), str):
        yield "the error has no message"
        return
    yield from _text_faults("error.message", error["message"])


def _text_faults(name: str, text: str) -> Iterator[str]:
    if _BUG in text or "Traceback" in text or "nternal error" in text or "nternal server error" in text:
        yield f"{name}: an internal error"
    if not text.isprintable():
        yield f"{name} contains characters that cannot be printed"
    if len(text) > _MAX_TEXT_CHARACTERS:
        yield f"{name} has {len(text)} characters"


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
