"""Random messages, each with what the server owes for it. A message depends on seed, protocol and number only.

To add a kind of message, add a method to `_Maker` and name it in `make`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from fuzz.values import Values, plausible

LEGACY: Final = "2025-11-25"
MODERN: Final = "2026-07-28"

TOOLS: Final[Mapping[str, Sequence[str]]] = {
    "create_or_update_customer": ("customer_id", "email", "created_at", "attributes"),
    "send_event": ("customer_id", "event_name", "event_type", "data"),
    "add_customers_to_segment": ("segment_id", "customer_ids", "id_type"),
}
"""The parameters of each tool."""

PROMPTS: Final[Mapping[str, Sequence[str]]] = {
    "sync_customers": ("customers", "id_column"),
    "record_events": ("events", "event_name"),
    "fill_segment": ("segment_id", "people", "id_type"),
}
"""The arguments of each prompt."""

RESOURCES: Final = ("customerio-track://guide", "customerio-track://policy")

_REQUIRED: Final = ("customer_id", "email", "event_name", "segment_id", "customer_ids")
_INVALID_ARGUMENTS: Final = ("null", "[]", '""', '"null"', '"{}"', '"[]"', "5", "true", "[1]", '"{"')
_UNKNOWN_TOOLS: Final = ("send_event ", "Send_Event", "", "send_event\ud800", "x" * 5000, "\u202e\x00", "__class__")
_INVALID_TOOLS: Final = ("null", "5", "1e400", "[]", "{}", '["send_event"]')
_METHODS: Final = (
    "ping", "tools/list", "resources/list", "resources/read", "prompts/list", "prompts/get", "completion/complete",
    "logging/setLevel", "server/discover", "tasks/get", "sampling/createMessage", "tools/call/", "rpc.discover", "",
    "\ud800", "\u202e\n", "x" * 5000,
)  # fmt: skip
_NOTIFICATIONS: Final = (
    "notifications/initialized", "notifications/cancelled", "notifications/progress", "notifications/unknown",
    "notifications/roots/list_changed", "tools/call", "",
)  # fmt: skip
_UNUSED_IDS: Final = ("-1", '"nobody"', "null", "[1]", "{}", "1.5", '"\\ud800"', "true", "9" * 5000)
_INVALID_IDS: Final = ("null", "true", "1.5", "[1]", "{}", "NaN", "1e400", '"\\ud800"', '"\\udc00\\udc00"', "9" * 5000)
_INVALID_REQUESTS: Final[Sequence[Sequence[tuple[str, str]]]] = (
    [("jsonrpc", '"1.0"'), ("method", '"ping"')],
    [("jsonrpc", "2.0"), ("method", '"ping"')],
    [("method", '"ping"')],
    [("jsonrpc", '"2.0"'), ("method", "5")],
    [("jsonrpc", '"2.0"'), ("method", "null")],
    [("jsonrpc", '"2.0"'), ("methods", '"ping"')],
    [("jsonrpc", '"2.0"'), ("method", '"ping"'), ("params", "5")],
    [("jsonrpc", '"2.0"'), ("method", '"ping"'), ("params", '"x"')],
    [("jsonrpc", '"2.0"'), ("method", '"tools/call"'), ("params", "[1]")],
)
_NO_JSON: Final = (
    b"{", b"}", b"nonsense", b'{"jsonrpc":"2.0","id":1,"method":"ping"', b"[" * 3000, b'{"a":' * 3000, b"\x00", b'"',
    b"\xff\xfe{}", b"{'a':1}", b"{]", b"\xed\xa0\x80", b"{}{}", b"nul", b"-", b"\x1b[2J", b"Content-Length: 3\r",
)  # fmt: skip
_NO_MESSAGES: Final = (
    b"[]", b"{}", b"5", b'"text"', b"null", b"true", b"NaN", b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
)  # fmt: skip
_INVALID_UTF8: Final = (b"\xff", b"\xfcrgen", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xe2\x82")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_MARK: Final = "MARK-OF-INVALID-UTF8"
_HEADER_SAFE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_MAX_OUTSIDE_DEPTH: Final = 100


@dataclass(frozen=True, slots=True)
class Message:
    """A message and what the server owes for it.

    Attributes:
        number: its number; with the seed and the protocol, it makes the same message again.
        content: what is sent, without the end of the line.
        ids: the ids that the response may have; empty if no response is owed.
        tool: the tool whose result the response must contain; None if an error or another result is owed.
        is_error: whether the response must be a protocol error.
        is_optional: whether there may be no response.
        headers: further headers, over HTTP.
    """

    number: int
    content: bytes
    ids: tuple[int | str | None, ...]
    tool: str | None = None
    is_error: bool = False
    is_optional: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_modern(self) -> bool:
        """Whether it is a message of protocol 2026-07-28."""
        return self.headers.get("MCP-Protocol-Version") == MODERN

    def owing_an_error(self) -> Message:
        """Return the same message, with an error without an id as what the server owes."""
        return replace(self, ids=(None,), is_error=True)


class Messages:
    """Makes messages.

    Args:
        seed: the same seed makes the same messages.
        protocol: the protocol version.
    """

    def __init__(self, seed: int, protocol: str) -> None:
        self._seed = seed
        self._modern = protocol == MODERN

    def make(self, number: int) -> Message:
        """Make the message with this number."""
        return _Maker(Random(f"{self._seed}/{number}"), number, modern=self._modern).make()

    def list_tools(self) -> Message:
        """Make a valid request for the tools."""
        return _Maker(Random(0), 0, modern=self._modern).request("tools/list", [])


class _Maker:
    """Makes one message.

    Args:
        random: the source of randomness.
        number: the message's number.
        modern: whether the protocol is 2026-07-28.
    """

    def __init__(self, random: Random, number: int, *, modern: bool) -> None:
        self._random = random
        self._number = number
        self._modern = modern
        self._values = Values(random)
        self._id: int | str = random.choice((number, number + 2**60, -1 - number, str(number), f"ü {number}"))
        # Whether a response could contain everything outside of the arguments of a tool. Only there is more accepted.
        self._is_repeatable = True

    def make(self) -> Message:
        draw = self._random.random()
        if draw < 0.85:
            return self._call()
        if draw < 0.88:
            return self._random.choice((self._unknown_tool, self._invalid_tool, self._odd_meta))()
        if draw < 0.91:
            return self._random.choice((self._prompt, self._prompt, self._resource))()
        return self._random.choice(
            (
                self._other_request,
                self._float_id,
                self._notification,
                self._response,
                self._invalid_id,
                self._invalid_request,
                self._invalid_utf8,
                self._no_message,
            )
        )()

    def request(
        self,
        method: str,
        params: list[tuple[str, str]],
        *,
        name: str | None = None,
        tool: str | None = None,
        is_error: bool = False,
        request_id: str | None = None,
    ) -> Message:
        """Return a request.

        Args:
            method: its method.
            params: the members of its parameters, as names and JSON; protocol 2026-07-28 adds `_meta`.
            name: the name in the header `Mcp-Name`.
            tool: the tool whose result is owed.
            is_error: whether an error is owed.
            request_id: the id as JSON, instead of the message's own.
        """
        if not any(name == "_meta" for name, _ in params):
            params = [*params, *self._meta()]
        members = [
            ("jsonrpc", '"2.0"'),
            ("id", request_id or json.dumps(self._id)),
            ("method", self._values.quote(method)),
            ("params", self._values.object_of(params)),
        ]
        self._random.shuffle(members)
        if self._random.random() < 0.05:
            # First, since of a repeated name the last counts.
            members.insert(0, self._outside(self._random.choice(("extra", "__class__", "self", "id", "method"))))
        self._is_repeatable = self._is_repeatable and _is_repeatable(json.dumps([method, name]))
        return Message(
            self._number,
            self._values.object_of(members).encode(),
            ids=(self._id,) if self._is_repeatable else (self._id, None),
            tool=tool if self._is_repeatable else None,
            is_error=is_error,
            headers=self._headers(method, name),
        )

    def _call(self) -> Message:
        tool = self._random.choice(list(TOOLS))
        params = [("arguments", self._arguments(tool))]
        draw = self._random.random()
        if draw < 0.03:
            params = []
        elif draw < 0.06:
            params.insert(0, self._outside(self._values.key()))
        # Last, since of a repeated name the last counts.
        call = self.request("tools/call", [*params, ("name", json.dumps(tool))], name=tool, tool=tool)
        return call if self._random.random() > 0.01 else replace(call, content=_BYTE_ORDER_MARK + call.content)

    def _arguments(self, tool: str) -> str:
        random, values = self._random, self._values
        if random.random() < 0.08:
            return random.choice((*_INVALID_ARGUMENTS, values.value()))
        likely = plausible(values, random)
        members = [(name, likely[name]()) for name in TOOLS[tool] if name in _REQUIRED or random.random() < 0.6]
        if random.random() < 0.65:
            for _ in range(random.randrange(1, 4)):
                self._spoil(members, tool)
        random.shuffle(members)
        text = values.object_of(members)
        return values.quote(text) if random.random() < 0.03 else text

    def _spoil(self, members: list[tuple[str, str]], tool: str) -> None:
        draw = self._random.random()
        if draw < 0.4:
            members.append((self._random.choice(TOOLS[tool]), self._values.value()))
        elif draw < 0.8:
            members.append((self._values.key(), self._values.value()))
        elif members:
            members.pop()

    def _unknown_tool(self) -> Message:
        name = self._random.choice((*_UNKNOWN_TOOLS, self._values.text()))
        params = [("name", self._values.quote(name)), ("arguments", "{}")]
        return self.request("tools/call", params, name=name, is_error=True)

    def _invalid_tool(self) -> Message:
        params = [("name", self._random.choice(_INVALID_TOOLS)), ("arguments", "{}")]
        return self.request("tools/call", params, is_error=True)

    def _odd_meta(self) -> Message:
        name = self._random.choice(("progressToken", "traceparent", "tracestate", self._values.key()))
        meta = self._random.choice((self._values.object_of([(name, self._values.value())]), self._values.value()))
        return self.request("tools/call", [("name", '"send_event"'), ("_meta", meta)], name="send_event")

    def _prompt(self) -> Message:
        """Return a request for a prompt, whose arguments may be valid."""
        prompt = self._random.choice(list(PROMPTS))
        members = [
            (name, self._random.choice(('"7"', '"id"', self._values.string(), self._values.value())))
            for name in PROMPTS[prompt]
        ]
        if self._random.random() < 0.2:
            members.append((self._values.key(), self._values.value()))
        arguments = self._values.object_of(members)
        if self._random.random() < 0.1:
            arguments = self._random.choice(_INVALID_ARGUMENTS)
        self._is_repeatable = _is_repeatable(arguments)
        return self.request("prompts/get", [("name", json.dumps(prompt)), ("arguments", arguments)], name=prompt)

    def _resource(self) -> Message:
        """Return a request for a resource, which may exist."""
        uri = self._random.choice((*RESOURCES, RESOURCES[0].upper(), self._values.text()))
        return self.request("resources/read", [("uri", self._values.quote(uri))], name=uri)

    def _other_request(self) -> Message:
        names = ("cursor", "uri", "name", "ref", "level", self._values.key())
        count = self._random.randrange(3)
        params = [(self._random.choice(names), self._values.value()) for _ in range(count)]
        return self.request(self._random.choice(_METHODS), params)

    def _float_id(self) -> Message:
        """Return a request whose id is a number such as 7.0, as some JSON libraries write integers."""
        request = self.request("ping", [], request_id=f"{self._number}.0")
        return replace(request, ids=(self._number,) if self._is_repeatable else (self._number, None))

    def _notification(self) -> Message:
        method = self._random.choice(_NOTIFICATIONS)
        name = self._random.choice(("requestId", "progressToken", "_meta"))
        params = self._values.object_of([(name, self._random.choice(_UNUSED_IDS))])
        members = [("jsonrpc", '"2.0"'), ("method", json.dumps(method)), ("params", params)]
        # One with invalid parameters may be answered with an error.
        return replace(self._invalid(members), headers=self._headers(method), is_optional=True)

    def _response(self) -> Message:
        """Return a response, which no request of the server asked for. It is not answered."""
        outcome = self._random.choice((("result", "{}"), ("error", '{"code":1,"message":"x"}')))
        members = [("jsonrpc", '"2.0"'), ("id", json.dumps(self._id)), outcome]
        return replace(self._invalid(members), ids=(), is_error=False)

    def _invalid_id(self) -> Message:
        request_id = ("id", self._random.choice(_INVALID_IDS))
        return self._invalid([("jsonrpc", '"2.0"'), request_id, ("method", '"ping"')])

    def _invalid_request(self) -> Message:
        """Return an object with a usable id that is not a request."""
        members = [*self._random.choice(_INVALID_REQUESTS), ("id", json.dumps(self._id))]
        return replace(self._invalid(members), ids=(self._id, None))

    def _invalid_utf8(self) -> Message:
        arguments = json.dumps({"customer_id": _MARK, "event_name": "bought"})
        params = [("name", '"send_event"'), ("arguments", arguments)]
        request = self.request("tools/call", params, name="send_event", is_error=True)
        spoiled = request.content.replace(_MARK.encode(), b"J" + self._random.choice(_INVALID_UTF8))
        return replace(request, content=spoiled, ids=(self._id, None))

    def _no_message(self) -> Message:
        return replace(self._invalid([]), content=self._random.choice(self._random.choice((_NO_JSON, _NO_MESSAGES))))

    def _invalid(self, members: Sequence[tuple[str, str]]) -> Message:
        """Return an object that is owed an error without an id."""
        content = self._values.object_of(members).encode()
        return Message(self._number, content, ids=(None,), is_error=True, headers=self._headers("ping"))

    def _outside(self, name: str) -> tuple[str, str]:
        """Return a member outside of the arguments of a tool."""
        value = self._values.value()
        self._is_repeatable = self._is_repeatable and _is_repeatable(json.dumps([name])) and _is_repeatable(value)
        return name, value

    def _meta(self) -> list[tuple[str, str]]:
        meta = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "fuzz", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        return [("_meta", json.dumps(meta))] if self._modern else []

    def _headers(self, method: str, name: str | None = None) -> Mapping[str, str]:
        if not self._modern:
            return {"MCP-Protocol-Version": LEGACY}
        headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": _header(method)}
        return headers if name is None else headers | {"Mcp-Name": _header(name)}


def _is_repeatable(text: str) -> bool:
    """Return whether a response could contain this JSON: no lone surrogate, no deep nesting, no endless integer."""
    try:
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return text.count("[") + text.count("{") < _MAX_OUTSIDE_DEPTH


def _header(value: str) -> str:
    """Return `value` as the protocol puts it into a header."""
    if _HEADER_SAFE.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode(errors='replace')).decode()}?="
