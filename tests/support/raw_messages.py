"""JSON-RPC messages as bytes, for both protocol versions: what the SDK's client would not send."""

from __future__ import annotations

import json
from typing import Any, Final

LEGACY: Final = "2025-11-25"
MODERN: Final = "2026-07-28"

_ENVELOPE: Final = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}

_NAMED: Final = ("tools/call", "prompts/get", "resources/read")


def raw_call(version: str, arguments: str | None, *, request_id: str = "2", tool: str = "send_event") -> bytes:
    """Return a tool call.

    Args:
        version: the protocol version.
        arguments: its arguments, in JSON; None for a call without.
        request_id: its id, in JSON.
        tool: the tool's name, in JSON but without quotes.
    """
    return raw_request(version, "tools/call", request_id, f'"name":"{tool}"', *_member("arguments", arguments))


def raw_request(version: str, method: str, request_id: str | None, *params: str) -> bytes:
    """Return a request; with None as id, a notification.

    Args:
        version: the protocol version.
        method: its method, in JSON but without quotes.
        request_id: its id, in JSON.
        params: members of its parameters, in JSON.
    """
    meta = [f'"_meta":{json.dumps(_ENVELOPE)}'] if version == MODERN else []
    members = [
        '"jsonrpc":"2.0"',
        *_member("id", request_id),
        f'"method":"{method}"',
        f'"params":{{{",".join([*meta, *params])}}}',
    ]
    return f"{{{','.join(members)}}}".encode()


def headers_of(version: str, method: str = "tools/call", tool: str = "send_event") -> dict[str, str]:
    """Return the headers with which a message of a protocol version is sent over HTTP.

    Args:
        version: the protocol version.
        method: the request's method.
        tool: the name of the tool or of the prompt, or the URI of the resource.
    """
    headers = {"MCP-Protocol-Version": version}
    if version == MODERN:
        headers |= {"Mcp-Method": method} | ({"Mcp-Name": tool} if method in _NAMED else {})
    return headers


def nested(depth: int, inner: str = "") -> str:
    """Return arrays nested to `depth`, in JSON."""
    return "[" * depth + inner + "]" * depth


def event(**members: Any) -> str:
    """Return the arguments of an event in JSON. A string in `members` is JSON already."""
    given = {"customer_id": '"1"', "event_name": '"bought"'} | members
    return f"{{{','.join(f'{json.dumps(name)}:{value}' for name, value in given.items())}}}"


def _member(name: str, value: str | None) -> list[str]:
    return [] if value is None else [f'"{name}":{value}']
