"""Hypothesis strategies for whole JSON-RPC messages, and what the server owes for one."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

from hypothesis import strategies as st

from fuzz.messages import LEGACY, MODERN, Message
from tests.support.arbitrary_calls import NAMES, SURROGATES, calls, texts, values

META: Final = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
_METHODS: Final = ("tools/call", "tools/list", "ping", "prompts/get", "resources/read", "notifications/initialized")
_IDS: Final[tuple[Any, ...]] = (
    "7",
    "",
    "ü",
    None,
    True,
    1.5,
    0.0,
    -1,
    2**60,
    [1],
    {},
    float("nan"),
    "\ud800",
    10**4000,
)
_MEMBERS: Final = ("jsonrpc", "id", "method", "params", "result", "error", "extra")

_VALUES: Final = values(surrogates=True)
_TEXTS: Final = texts(surrogates=True)
_OBJECTS: Final = st.dictionaries(st.sampled_from(_MEMBERS + NAMES + SURROGATES) | _TEXTS, _VALUES, max_size=5)
_KINDS: Final = st.integers(0, 9)
_BOOLEANS: Final = st.booleans()
_CALLS: Final = calls(surrogates=True)
_OTHER_IDS: Final = st.sampled_from(_IDS) | _VALUES
_OTHER_METHODS: Final = st.sampled_from(_METHODS) | _TEXTS
_OTHER_TOOLS: Final = st.sampled_from(NAMES + SURROGATES) | _VALUES


@cache
@st.composite
def messages(draw: st.DrawFn, protocol: str) -> bytes:
    """Draw a message: a call, a changed call, any object, any JSON or any text."""
    kind = draw(_KINDS)
    if kind == 0:
        return draw(_TEXTS).encode(errors="surrogatepass").replace(b"\n", b"")
    if kind == 1:
        return json.dumps(draw(_VALUES)).encode()
    if kind == 2:
        return json.dumps(draw(_OBJECTS)).encode()
    tool, arguments = draw(_CALLS)
    params = {"name": tool, "arguments": arguments} | ({"_meta": META} if protocol == MODERN else {})
    request: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    if kind == 3:
        request["id"] = draw(_OTHER_IDS)
    elif kind == 4:
        request["method"] = draw(_OTHER_METHODS)
    elif kind == 5:
        params["name"] = draw(_OTHER_TOOLS)
    elif kind == 6:
        params["arguments"] = draw(_VALUES)
    elif kind == 7:
        (request if draw(_BOOLEANS) else params).update(draw(_OBJECTS))
    return json.dumps(request).encode()


def owed(content: bytes, protocol: str) -> Message:
    """Return a message with what the server owes for it, as any reader of JSON-RPC would say it."""
    try:
        value = json.loads(content.decode())
    except (ValueError, RecursionError):
        return Message(1, content, ids=(None,), is_error=True, headers=_headers(None, protocol))
    if not isinstance(value, dict):
        return Message(1, content, ids=(None,), is_error=True, headers=_headers(value, protocol))
    is_response = "method" not in value and ("result" in value or "error" in value)
    has_id = "id" in value
    return Message(
        1,
        content,
        ids=(_own_id(value.get("id")), None),
        is_optional=is_response or not has_id,
        headers=_headers(value, protocol),
    )


def _own_id(value: object) -> int | str | None:
    """Return the id that a response has if the request is valid: exact numbers without a fraction are integers."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def _headers(value: object, protocol: str) -> dict[str, str]:
    if protocol == LEGACY:
        return {"MCP-Protocol-Version": LEGACY}
    match value:
        case {"method": str() as method, "params": {"name": str() as name}} if (method + name).isascii():
            headers = {"Mcp-Method": method, "Mcp-Name": name}
        case {"method": str() as method} if method.isascii():
            headers = {"Mcp-Method": method}
        case _:
            headers = {"Mcp-Method": "tools/call"}
    is_valid = all(text.isprintable() and text == text.strip() for text in headers.values())
    return {"MCP-Protocol-Version": MODERN} | (headers if is_valid else {})
