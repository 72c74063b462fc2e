"""Both rounds of a call that asks a person, in protocol 2026-07-28."""

from __future__ import annotations

from typing import Any, Final

from tests.support.raw_messages import MODERN

EVENT: Final = {"customer_id": "42", "event_name": "purchase", "data": {"total": 5}}
ACCEPT: Final = {"action": "accept", "content": {"confirm": True}}

INVALID_STATES: Final[tuple[object, ...]] = (
    "",
    "01KT5Y3Q6ZJ8M4W2C9R7N1XBDF",
    "v1.AAAA",
    "v1.é",
    7,
    1.5,
    True,
    {"a": 1},
    ["a"],
    [],
    {},
)
INVALID_ANSWERS: Final[tuple[object, ...]] = (
    *(7, "accept", None, True, [], {}, {"action": "maybe"}, {"action": True}),
    ACCEPT | {"content": "x"},
    ACCEPT | {"content": {"confirm": {"nested": True}}},
)
INVALID_RESPONSES: Final[tuple[object, ...]] = (7, "accept", True, [ACCEPT])


def round_of(arguments: object = EVENT, capabilities: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    """Return a call of send_event; by default, of a host that can ask.

    Args:
        arguments: the arguments of the call.
        capabilities: those of the host.
        params: more parameters of the request.
    """
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}} if capabilities is None else capabilities,
    }
    named = {"name": "send_event", "arguments": arguments, "_meta": meta}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": named | params}


def answered(state: object, answer: object = ACCEPT) -> dict[str, Any]:
    """Return the parameters of a second round.

    Args:
        state: the state in the result of the first.
        answer: what the person answered.
    """
    return {"requestState": state, "inputResponses": {"confirmation": answer}}
