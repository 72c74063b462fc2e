"""Messages as hosts and frameworks send them: the same result over both transports and protocol versions."""

from __future__ import annotations

import json
from typing import Any, Final

import anyio
import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.doors import DOORS, Door, stdio
from tests.support.messages import INITIALIZE
from tests.support.raw_messages import LEGACY, MODERN, event, nested, raw_call, raw_request
from tests.support.scripted_server import ScriptedServer, hang

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> Door:
    return DOORS[request.param]


@pytest.fixture(params=[LEGACY, MODERN])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def error_in(answer: dict[str, Any]) -> str:
    """Return the error in the payload of a tool's result; empty if the call succeeded."""
    result = answer["result"]
    payload = result["structuredContent"]
    assert payload["success"] is (payload["error"] is None)
    assert result.get("isError", False) is not payload["success"]
    assert json.loads(result["content"][0]["text"]) == payload
    return payload["error"] or ""


async def test_arguments_are_read_in_every_form_of_an_object(sandbox: RunningSandbox, door: Door, version: str) -> None:
    once = json.dumps(event())
    forms = [event(), once, json.dumps(f" \n{event()}\t"), json.dumps(once)]
    async with door(sandbox.url, version) as exchange:
        for form in forms:
            (answer,) = await exchange(raw_call(version, form))
            assert error_in(answer) == "", form
    assert len(sandbox.workspace.events) == len(forms)


async def test_every_form_of_no_arguments_is_read_as_an_empty_object(
    sandbox: RunningSandbox, door: Door, version: str
) -> None:
    forms = [None, "null", "{}", "[]", '""', '"  "', '"null"', '"{}"', '"[]"', '"\\"\\""']
    async with door(sandbox.url, version) as exchange:
        for form in forms:
            (answer,) = await exchange(raw_call(version, form))
            assert answer["id"] == 2
            assert "customer_id: is required; event_name: is required" in error_in(answer), form


async def test_arguments_that_are_not_an_object_are_reported_in_a_payload(
    sandbox: RunningSandbox, door: Door, version: str
) -> None:
    expected = "arguments: must be a JSON object with a member for each argument"
    forms = {
        "7": f"{expected}, not a number",
        "7.5": f"{expected}, not a number",
        "true": f"{expected}, not a boolean",
        '["1","bought"]': f"{expected}, not an array",
        f"[{event()}]": f"{expected}, not an array",
        '"7"': f"{expected}, not a number",
        '"[1]"': f"{expected}, not an array",
        '"undefined"': f"{expected}; the string is not valid JSON",
        '"{\\"customer_id\\":"': f"{expected}; the string is not valid JSON",
        '"\\ud800"': f"{expected}; the string is not valid JSON",
    }
    async with door(sandbox.url, version) as exchange:
        for form, problem in forms.items():
            (answer,) = await exchange(raw_call(version, form))
            assert problem in error_in(answer), form
            assert "Nothing was sent" in error_in(answer)
        (answer,) = await exchange(raw_call(version, "7", tool="no_such_tool"), tool="no_such_tool")
        assert answer["error"]["code"] == -32602
    assert not sandbox.workspace.events


@pytest.mark.parametrize("filler", ['""', '" "', '"null"', "null"])
async def test_fillers_for_optional_arguments_are_read_as_absent(
    sandbox: RunningSandbox, door: Door, version: str, filler: str
) -> None:
    calls = {
        "create_or_update_customer": (
            f'{{"customer_id":"1","email":"ann@example.com","created_at":{filler},"attributes":{filler}}}'
        ),
        "send_event": event(event_type=filler, data=filler),
        "add_customers_to_segment": f'{{"segment_id":"1","customer_ids":["1"],"id_type":{filler}}}',
    }
    async with door(sandbox.url, version) as exchange:
        for tool, arguments in calls.items():
            (answer,) = await exchange(raw_call(version, arguments, tool=tool), tool=tool)
            assert error_in(answer) == "", tool
    (sent,) = sandbox.workspace.events
    assert not sent.data


async def test_json_that_pydantic_rejects_is_answered_in_the_payload(
    sandbox: RunningSandbox, door: Door, version: str
) -> None:
    digits = "9" * 5000
    cases = {
        event(data='{"a":"\\ud83d"}'): "data.a: contains a lone surrogate",
        event(data='{"a":[{"b":"x\\uDC00"}]}'): "data.a[0].b: contains a lone surrogate",
        event(data='{"\\ud83d":1}'): "contains a lone surrogate",
        event(customer_id='"\\ud83d"'): "customer_id: contains a lone surrogate",
        event(event_name='"\\ud83d"'): "event_name: contains a lone surrogate",
        event()[:-1] + ',"\\ud83d":1}': "is not a parameter of this tool",
        event(data=f'{{"a":{digits}}}'): "data.a: is not a number that can be sent",
        event(data=f'{{"a":-{digits}}}'): "data.a: is not a number that can be sent",
        event(data='{"a":1e400}'): "data.a: is not a number that can be sent",
        event(data='{"a":NaN}'): "data.a: is not a number that can be sent",
        event(customer_id=digits): "customer_id: must be a string",
        event(data=f'{{"a":{nested(190)}}}'): "",
        event(data=f'{{"a":{nested(300)}}}'): "",
        event(data=f'{{"a":{nested(480)}}}'): "",
        event(data=f'{{"a":{nested(600)}}}'): "nested too deeply",
        event(data=f'{{"a":{nested(5000)}}}'): "nested too deeply",
        event(data=f'{{"a":{nested(50_000, json.dumps("]]"))}}}'): "nested too deeply",
        event(data='{"a":' * 2000 + "1" + "}" * 2000): "nested too deeply",
        nested(700): "nested too deeply",
        # The same in arguments that are a string, and in a parameter that is a string.
        json.dumps(event(data='{"a":"\\ud83d"}')): "data.a: contains a lone surrogate",
        json.dumps(event(data=f'{{"a":{digits}}}')): "data.a: is not a number that can be sent",
        json.dumps(event(data=f'{{"a":{nested(900)}}}')): "nested too deeply",
        event(data=json.dumps(f'{{"a":{digits}}}')): "data.a: is not a number that can be sent",
        event(data=json.dumps(f'{{"a":{nested(900)}}}')): "data: is nested too deeply",
    }
    async with door(sandbox.url, version) as exchange:
        for arguments, problem in cases.items():
            (answer,) = await exchange(raw_call(version, arguments))
            assert answer["id"] == 2
            assert problem in error_in(answer), arguments[:80]
            assert bool(problem) is bool(error_in(answer)), arguments[:80]
    assert len(sandbox.workspace.events) == list(cases.values()).count("")


async def test_deep_nesting_outside_of_the_arguments_makes_a_request_invalid(
    sandbox: RunningSandbox, door: Door, version: str
) -> None:
    async with door(sandbox.url, version) as exchange:
        for depth in (300, 3000):
            request = raw_request(version, "tools/list", "2", f'"extra":{nested(depth)}')
            (answer,) = await exchange(request, method="tools/list")
            assert (answer["id"], answer["error"]["code"]) == (2, -32600)
            assert "200 levels" in answer["error"]["message"]
            # A repeated member replaces the one before.
            call = raw_call(version, event()).replace(b"{", b'{"jsonrpc":%s,' % nested(depth).encode(), 1)
            (answer,) = await exchange(call)
            assert error_in(answer) == ""
    assert len(sandbox.workspace.events) == 2


async def test_lone_surrogates_outside_of_the_arguments_make_a_request_invalid(
    sandbox: RunningSandbox, door: Door, version: str
) -> None:
    """A response would repeat some of them, and cannot."""
    requests = [
        raw_request(version, "\\ud800", "7"),
        raw_call(version, event(), request_id="7", tool="\\ud800"),
        raw_request(version, "tools/list", "7", '"cursor":"\\ud800"'),
    ]
    async with door(sandbox.url, version) as exchange:
        for request in requests:
            (answer,) = await exchange(request)
            assert (answer["id"], answer["error"]["code"]) == (7, -32600), request
            assert "lone surrogate" in answer["error"]["message"]


async def test_integral_numbers_are_ids_and_are_returned_as_integers(
    sandbox: RunningSandbox, door: Door, version: str
) -> None:
    ids: dict[str, object] = {
        "1.0": 1, "0.0": 0, "-3.0": -3, "1e2": 100, "12.50E1": 125, "9007199254740991.0": 2**53 - 1,
        "9007199254740993": 2**53 + 1,
        "7": 7, "-1": -1, '"7.0"': "7.0", '""': "", '"\\u00fc"': "ü",
        f'"{"x" * 256}"': "x" * 256, "9" * 256: 10**256 - 1,
    }  # fmt: skip
    async with door(sandbox.url, version) as exchange:
        for text, expected in ids.items():
            (answer,) = await exchange(raw_call(version, event(), request_id=text))
            assert answer["id"] == expected, text
            assert isinstance(answer["id"], type(expected)), text
            assert error_in(answer) == "", text
    assert len(sandbox.workspace.events) == len(ids)


async def test_any_other_id_makes_the_request_invalid(sandbox: RunningSandbox, door: Door, version: str) -> None:
    ids = [
        "null",
        "true",
        "false",
        "1.5",
        "-0.5",
        "1e400",
        "9007199254740992.0",
        "9007199254740993.0",
        "-9007199254740993.0",
        "1e20",
        "NaN",
        "{}",
        "[]",
        "[1]",
        '{"a":1}',
        '"\\ud800"',
        "9" * 5000,
        "9" * 257,
        f'"{"x" * 257}"',
        f'"{"x" * 100_000}"',
    ]
    async with door(sandbox.url, version) as exchange:
        for request_id in ids:
            (answer,) = await exchange(raw_call(version, event(), request_id=request_id))
            assert (answer["id"], answer["error"]["code"]) == (None, -32600), request_id
            (answer,) = await exchange(raw_request(version, "tools/list", request_id), method="tools/list")
            assert (answer["id"], answer["error"]["code"]) == (None, -32600), request_id
    assert not sandbox.workspace.events


INVALID_REQUESTS: Final = [
    ('{"jsonrpc":"2.0","id":7}', 7, "method"),
    ('{"jsonrpc":"2.0","id":7.0,"method":5}', 7, "method"),
    ('{"jsonrpc":"2.0","id":7,"method":null,"result":{}}', 7, "method"),
    ('{"jsonrpc":"1.0","id":"x","method":"ping"}', "x", "jsonrpc"),
    ('{"jsonrpc":2.0,"id":"x","method":"ping"}', "x", "jsonrpc"),
    ('{"id":7,"method":"ping"}', 7, "jsonrpc"),
    ('{"jsonrpc":"2.0","id":7,"method":"tools/call","params":"x"}', 7, "params"),
    ('{"jsonrpc":"2.0","id":7,"method":"tools/call","params":[1]}', 7, "params"),
    ('{"jsonrpc":"2.0","id":null,"method":"ping","error":{"code":1,"message":"x"}}', None, "id"),
    ('{"jsonrpc":"2.0"}', None, "method"),
    ('{"jsonrpc":"2.0","method":7}', None, "method"),
    ("7", None, "a message must be a JSON object"),
    ("null", None, "a message must be a JSON object"),
    ('"text"', None, "a message must be a JSON object"),
    ("[]", None, "one JSON object; batches are not supported"),
    (f"[{'[],' * 50_000}[]]", None, "one JSON object; batches are not supported"),
    (f'{{"jsonrpc":"2.0","id":7,"method":"{"x" * 257}"}}', 7, "method is too long; the maximum is 256 characters"),
    (f'{{"jsonrpc":"2.0","id":"{"x" * 257}","method":"ping"}}', None, "id is too long; the maximum is 256 characters"),
    (f'{{"jsonrpc":"2.0","method":"{"x" * 257}"}}', None, "method is too long"),
    (f'{{"jsonrpc":"1.0","id":"{"x" * 257}","method":"ping"}}', None, "jsonrpc"),
    ('[{"jsonrpc":"2.0","id":1,"method":"ping"}]', None, "batches"),
]
"""Each with the id of the error, and what its message must name."""


async def test_invalid_requests_get_an_error_that_names_the_member(
    sandbox: RunningSandbox, door: Door, version: str
) -> None:
    async with door(sandbox.url, version) as exchange:
        for text, request_id, name in INVALID_REQUESTS:
            (answer,) = await exchange(text.encode())
            assert (answer["id"], answer["error"]["code"]) == (request_id, -32600), text
            assert name in answer["error"]["message"], text


async def test_a_request_with_members_of_a_response_is_answered(
    sandbox: RunningSandbox, door: Door, version: str
) -> None:
    extra = b'"error":{"code":1,"message":"x"},"result":{},'
    async with door(sandbox.url, version) as exchange:
        (answer,) = await exchange(raw_call(version, event()).replace(b"{", b"{" + extra, 1))
        assert error_in(answer) == ""


async def test_bytes_that_are_not_utf8_are_rejected_and_nothing_is_sent(
    sandbox: RunningSandbox, door: Door, version: str
) -> None:
    arguments = '{"customer_id":"1","email":"ann@example.com","attributes":{"first_name":"INVALID"}}'
    tool = "create_or_update_customer"
    async with door(sandbox.url, version) as exchange:
        for invalid in (b"J\xfcrgen", b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\xbd\xed\xb8\x80", b"\xf4\x90\x80\x80"):
            for request_id, expected in (("2", 2), ("2.0", 2), ('"INVALID"', None)):
                call = raw_call(version, arguments, request_id=request_id, tool=tool).replace(b"INVALID", invalid)
                (answer,) = await exchange(call, tool=tool)
                assert (answer["id"], answer["error"]["code"]) == (expected, -32700), invalid
                assert "is not valid UTF-8" in answer["error"]["message"]
            call = raw_call(version, f"[{arguments}, {nested(900)}]", tool=tool).replace(b"INVALID", invalid)
            (answer,) = await exchange(call, tool=tool)
            assert (answer["id"], answer["error"]["code"]) == (2, -32700), invalid
    assert not list(sandbox.workspace.people)


async def test_other_encodings_are_rejected(sandbox: RunningSandbox, version: str) -> None:
    """Over HTTP; over stdio, the bytes of a line feed in them would end the line."""
    async with DOORS["http"](sandbox.url, version) as exchange:
        for encoding in ("utf-16", "utf-16-le", "utf-32"):
            (answer,) = await exchange(raw_call(version, event()).decode().encode(encoding))
            assert answer["error"]["code"] == -32700, encoding
    assert not sandbox.workspace.events


async def test_invalid_json_gets_a_parse_error(sandbox: RunningSandbox, door: Door, version: str) -> None:
    async with door(sandbox.url, version) as exchange:
        for text in ("this is not JSON", "{", "[" * 5000, '{"a":' * 5000, '{"jsonrpc":"2.0","id":1,}', "\x00", "{} {}"):
            (answer,) = await exchange(text.encode())
            assert (answer["id"], answer["error"]["code"]) == (None, -32700), text
        (answer,) = await exchange(raw_call(version, event()))
        assert error_in(answer) == ""


async def test_byte_order_mark_is_skipped(sandbox: RunningSandbox, door: Door, version: str) -> None:
    async with door(sandbox.url, version) as exchange:
        for start in (BYTE_ORDER_MARK, BYTE_ORDER_MARK + b" ", b" " + BYTE_ORDER_MARK, BYTE_ORDER_MARK * 2):
            (answer,) = await exchange(start + raw_call(version, event()))
            assert error_in(answer) == "", start


async def test_byte_order_mark_before_the_first_line_is_skipped(sandbox: RunningSandbox, version: str) -> None:
    first = json.dumps(INITIALIZE).encode() if version == LEGACY else raw_call(version, event())
    async with stdio(sandbox.url, version, initialize=False) as exchange:
        (answer,) = await exchange(BYTE_ORDER_MARK + first)
        assert "result" in answer
        assert await exchange(BYTE_ORDER_MARK, answers=0) == []
        (answer,) = await exchange(raw_call(version, event()))
        assert error_in(answer) == ""


async def test_empty_arrays_are_read_as_the_objects_that_php_means(
    sandbox: RunningSandbox, door: Door, version: str
) -> None:
    async with door(sandbox.url, version) as exchange:
        (answer,) = await exchange(raw_call(version, event(data="[]")))
        assert error_in(answer) == ""
        (answer,) = await exchange(raw_call(version, event(data='"[]"')))
        assert error_in(answer) == ""
        (answer,) = await exchange(raw_call(version, event(data=json.dumps(json.dumps("{}")))))
        assert error_in(answer) == ""
        (answer,) = await exchange(raw_call(version, event(data="[1]")))
        assert "data: must be a JSON object" in error_in(answer)


@pytest.mark.parametrize("params", ["[]", '{"_meta":[]}'])
async def test_empty_arrays_for_parameters_are_read_as_objects(
    sandbox: RunningSandbox, door: Door, params: str
) -> None:
    async with door(sandbox.url, LEGACY) as exchange:
        (answer,) = await exchange(f'{{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{params}}}'.encode())
        assert len(answer["result"]["tools"]) == 3


CAPABILITIES: Final[list[Any]] = [
    [],
    {"roots": [], "sampling": []},
    {"elicitation": {"form": []}},
    {"sampling": {"tools": [], "context": []}},
    {"experimental": {"x": []}, "extensions": {"a/b": []}},
    {"elicitation": {"form": {"deeper": {"still": []}}}},
]


@pytest.mark.parametrize("capabilities", CAPABILITIES)
async def test_empty_arrays_for_capabilities_are_read_as_objects(
    sandbox: RunningSandbox, door: Door, capabilities: object
) -> None:
    initialize = {**INITIALIZE, "params": INITIALIZE["params"] | {"capabilities": capabilities}}
    open_door = door(sandbox.url, LEGACY) if door is not stdio else stdio(sandbox.url, LEGACY, initialize=False)
    async with open_door as exchange:
        (answer,) = await exchange(json.dumps(initialize).encode())
        assert answer["result"]["protocolVersion"] == LEGACY


@pytest.mark.parametrize("capabilities", CAPABILITIES)
@pytest.mark.parametrize("method", ["tools/call", "tools/list"])
async def test_empty_arrays_for_capabilities_of_a_request_are_read_as_objects(
    sandbox: RunningSandbox, door: Door, capabilities: object, method: str
) -> None:
    request = json.loads(raw_call(MODERN, event()) if method == "tools/call" else raw_request(MODERN, method, "2"))
    request["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities
    async with door(sandbox.url, MODERN) as exchange:
        for separators in ((",", ":"), (", ", ": ")):
            body = json.dumps(request, separators=separators)
            for text in (body, body.replace("[]", "[ ]")):
                (answer,) = await exchange(text.encode(), method=method)
                assert "result" in answer, text


async def test_client_info_is_not_read_from_an_empty_array(sandbox: RunningSandbox, door: Door) -> None:
    """It has required members."""
    request = json.loads(raw_call(MODERN, event()))
    request["params"]["_meta"]["io.modelcontextprotocol/clientInfo"] = []
    async with door(sandbox.url, MODERN) as exchange:
        (answer,) = await exchange(json.dumps(request).encode())
        assert answer["error"]["code"] == -32602


async def test_notifications_and_responses_are_not_answered(sandbox: RunningSandbox, door: Door, version: str) -> None:
    messages = [
        raw_request(version, "notifications/initialized", None),
        raw_request(version, "notifications/cancelled", None, '"requestId":99.0', '"reason":"\\u00fc"'),
        raw_request(version, "notifications/cancelled", None, '"requestId":[]'),
        raw_call(version, event()).replace(b'"id":2,', b""),
    ]
    if door is stdio or version == LEGACY:  # over HTTP, a response is an invalid body in 2026-07-28
        messages += [
            b'{"jsonrpc":"2.0","id":7,"result":{}}',
            b'{"jsonrpc":"2.0","id":7.0,"result":{}}',
            b'{"jsonrpc":"2.0","id":8,"error":{"code":1,"message":"x"}}',
        ]
    async with door(sandbox.url, version) as exchange:
        for message in messages:
            assert await exchange(message, answers=0) == [], message
    assert not sandbox.workspace.events


async def test_call_is_canceled_by_any_form_of_its_id(scripted: ScriptedServer, version: str) -> None:
    """Over stdio; over HTTP without sessions, a client cancels by closing the connection."""
    scripted.acts = [hang]
    async with stdio(scripted.url, version) as exchange:
        assert await exchange(raw_call(version, event()), answers=0) == []
        await scripted.received.wait()
        cancel = raw_request(version, "notifications/cancelled", None, '"requestId":2.0')
        assert await exchange(cancel, answers=0) == []
        with anyio.fail_after(30):
            await scripted.client_left.wait()


async def test_arguments_of_a_prompt_are_read_in_every_form(sandbox: RunningSandbox, door: Door, version: str) -> None:
    once = json.dumps({"segment_id": "7", "people": "1"})
    forms = {once: "", json.dumps(once): "", '{"segment_id":7,"people":"1"}': "", '{"people":"1","segment_id":"7"}': ""}
    required = "segment_id: is required"
    forms |= dict.fromkeys(["null", "{}", "[]", '""', '"null"', '"{}"'], required)
    forms |= dict.fromkeys(["7", "true", "[1]", '"{"'], "arguments: must be a JSON object")
    forms |= {
        '{"segment_id":"7","people":["1"]}': "people: must be text",
        '{"segment_id":"7","people":{}}': "people: must be text",
        '{"segment_id":true,"people":"1"}': "segment_id: must be text",
        '{"segment_id":"7","people":1.5}': "people: must be text",
        f'{{"segment_id":"7","people":{nested(600)}}}': "arguments: are nested too deeply",
        '{"segment_id":"7","people":"\\ud800"}': "must not contain lone surrogates",
    }
    async with door(sandbox.url, version) as exchange:
        for form, problem in forms.items():
            message = raw_request(version, "prompts/get", "2", '"name":"fill_segment"', f'"arguments":{form}')
            (answer,) = await exchange(message, method="prompts/get", tool="fill_segment")
            if problem:
                assert problem in answer["error"]["message"], form
            else:
                content = answer["result"]["messages"][0]["content"]
                assert content["type"] == "text"
                assert '`segment_id` "7"' in content["text"], form
        (answer,) = await exchange(
            raw_request(version, "prompts/get", "2", '"name":"fill_segment"'), method="prompts/get", tool="fill_segment"
        )
        assert required in answer["error"]["message"]
