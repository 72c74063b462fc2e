"""What is checked of a call depends on the limits, not on the size of the call."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.tools.registry import TOOLS
from customerio_track_mcp.track import TrackClient

SIZE: Final = 300_000
HIDDEN: Final = "\u200b"


def many(item: object) -> list[Any]:
    return [item] * (SIZE // (len(json.dumps(item)) + 1))


def members(name: str, value: object = 1) -> dict[str, Any]:
    return {name.replace("#", str(number)): value for number in range(SIZE // (len(name) + len(json.dumps(value)) + 7))}


def person(attributes: dict[str, Any] | str) -> tuple[str, dict[str, Any]]:
    return "create_or_update_customer", {"customer_id": "1", "email": "ann@example.com", "attributes": attributes}


def event(**arguments: Any) -> tuple[str, dict[str, Any]]:
    return "send_event", {"customer_id": "1", "event_name": "bought"} | arguments


def segment(ids: Any, **arguments: Any) -> tuple[str, dict[str, Any]]:
    return "add_customers_to_segment", {"segment_id": "1", "customer_ids": ids} | arguments


CALLS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "ids that are null": segment(many(None)),
    "ids that are objects": segment(many({})),
    "ids that are numbers": segment(many(1.5)),
    "ids that are blank": segment(many("")),
    "ids that are repeated": segment(many("1")),
    "ids that are addresses": segment(many("a@b.c"), id_type="email"),
    "attributes": person(members("k#")),
    "attributes with whitespace": person(members(" k#")),
    "attributes that are reserved": person(members("id.#")),
    "attributes about consent": person(members("cio_subscription_preferences.#", "maybe")),
    "one attribute about consent": person({"cio_subscription_preferences": members("t#", 9)}),
    "the name of an attribute": person({"a" * SIZE: 1}),
    "the name of an attribute, hidden": person({HIDDEN * (SIZE // 6): 1}),
    "the name of an attribute, combining": person({"\u0301\u0327" * (SIZE // 12): 1}),
    "an array in an attribute": person({"a": many(1)}),
    "an array of no numbers": person({"a": [*many(1), float("nan")]}),
    "times in an attribute": person({"seen_at": many(99_999_999_999_999)}),
    "long integers in an attribute": person({"a": many(10**4000)}),
    "members of data": event(data=members("k#")),
    "members of data with whitespace": event(data=members(" k#")),
    "members of data that are reserved": event(data=members("recipient.#")),
    "members of data that look reserved": event(data=members(f"{HIDDEN}Recipient[#")),
    "an array of no number in data": event(data={"a": [*many(1), float("inf")]}),
    "objects in data": event(data={"a": many({"a": 1})}),
    "unknown arguments": event(**members("k#")),
    "unknown arguments that look like known ones": event(**members("customer_i#")),
    "an unknown argument with a long name": event(**{"_at" * (SIZE // 3) + "x": 1}),
    "an unknown argument with a long name in capitals": event(**{"A" * SIZE: 1}),
}


LARGEST_DATA: Final = event(data={"a": [{"a": 1}] * 12_000}, customer_id="undefined")
"""As much as the limits accept, of which every part is checked; rejected for its id alone."""


def cpu_time(run: Callable[[], object]) -> float:
    """Return the CPU time of `run` in seconds, the least of some."""

    def samples() -> Iterator[float]:
        for _ in range(3):
            started = time.process_time()
            run()
            yield time.process_time() - started

    return min(samples())


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_over_the_limits_is_rejected_in_about_the_time_of_one_within_them(
    client: TrackClient, name: str
) -> None:
    handlers = ToolHandlers(client)

    def reject(tool: str, arguments: dict[str, Any]) -> str:
        # A rejected call awaits nothing.
        running = TOOLS[tool].handler(handlers, arguments, Call()).__await__()
        with pytest.raises(StopIteration) as ended:
            next(running)
        return str(ended.value.value.error)

    assert cpu_time(lambda: reject(*CALLS[name])) < 2 * cpu_time(lambda: reject(*LARGEST_DATA))
    error = reject(*CALLS[name])
    assert error.startswith("Nothing was sent. ")
    assert len(error) < 5000


async def test_only_the_number_is_reported_if_there_are_too_many(client: TrackClient) -> None:
    errors = {}
    for name in ("ids that are null", "attributes that are reserved", "unknown arguments"):
        tool, arguments = CALLS[name]
        errors[name] = (await TOOLS[tool].handler(ToolHandlers(client), arguments, Call())).error
    assert errors == {
        "ids that are null": "Nothing was sent. customer_ids: contains 60000 ids; pass 1 to 1000 ids per call. "
        "Correct it and call again.",
        "attributes that are reserved": "Nothing was sent. attributes: contains 25000 attributes; the maximum is 300 "
        "per call, including email and created_at; pass the rest in another call. Correct it and call again.",
        "unknown arguments": "Nothing was sent. arguments: contain 30002 members; this tool accepts only customer_id, "
        "event_name, event_type, data. Correct it and call again.",
    }


async def test_nothing_is_reported_about_the_placeholder_of_too_many_ids(client: TrackClient) -> None:
    tool, arguments = CALLS["ids that are addresses"]
    output = await TOOLS[tool].handler(ToolHandlers(client), arguments, Call())
    assert str(output.error).count("customer_ids") == 1


async def test_the_text_of_many_long_problems_is_bounded(client: TrackClient) -> None:
    deep: object = float("nan")
    for _ in range(90):
        deep = {"x" * 8: deep}
    attributes = {f"{number}{'n' * 140}": deep for number in range(298)}
    output = await ToolHandlers(client).create_or_update_customer(person(attributes)[1])
    text = str(output.error)
    assert "; and 278 more. Correct all of them" in text
    assert len(text) < 20 * 850
