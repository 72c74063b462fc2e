"""The server as a host's subprocess."""

from __future__ import annotations

import array
import fcntl
import json
import signal
import termios
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from mcp import Client

from customerio_track_mcp.sandbox import RunningSandbox
from tests.process import environment, run, running, stdio_parameters
from tests.scripted import ScriptedServer, answer, hang

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def call(request_id: int, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


EVENT = call(2, "send_event", {"customer_id": "1", "event_name": "bought"})


def lines(*messages: dict[str, Any]) -> str:
    return "".join(json.dumps(message) + "\n" for message in messages)


@pytest.mark.parametrize(("mode", "version"), [("legacy", "2025-11-25"), ("auto", "2026-07-28")])
async def test_the_main_job_over_stdio(sandbox: RunningSandbox, mode: str, version: str) -> None:
    parameters = stdio_parameters(track_url=sandbox.url, api_key="sandbox:sandbox")
    async with Client(parameters, mode=mode) as client:
        assert client.protocol_version == version
        calls: list[tuple[str, dict[str, Any]]] = [
            ("create_or_update_customer", {"customer_id": "a/b+c", "email": "ann+x@example.com"}),
            ("send_event", {"customer_id": "a/b+c", "event_name": "bought"}),
            ("add_customers_to_segment", {"segment_id": "1", "customer_ids": ["a/b+c"]}),
        ]
        results = [await client.call_tool(tool, arguments) for tool, arguments in calls]
    assert [result.is_error for result in results] == [False, False, False]
    (person,) = sandbox.workspace.people
    assert (person.id, person.email) == ("a/b+c", "ann+x@example.com")
    assert [event.name for event in sandbox.workspace.events] == ["bought"]
    assert list(sandbox.workspace.segments[1].members) == [person.cio_id]


@pytest.mark.parametrize("arguments", [["--sandbox"], ["stdio", "--sandbox"]])
def test_nothing_but_protocol_on_stdout_and_every_request_answered_before_the_end(arguments: list[str]) -> None:
    messages: list[dict[str, Any]] = [INITIALIZE, INITIALIZED]
    messages += [call(number, "send_event", {"customer_id": "1", "event_name": "bought"}) for number in range(2, 40)]
    messages += [
        call(40, "send_event", {}),
        call(41, "no_such_tool", {}),
        {"jsonrpc": "2.0", "id": 42, "method": "ping"},
    ]
    ended = run(*arguments, stdin=lines(*messages) + "\n")
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 0
    assert sorted(answer["id"] for answer in answers) == list(range(1, 43))
    by_id = {answer["id"]: answer for answer in answers}
    assert all(by_id[number]["result"]["structuredContent"]["success"] for number in range(2, 40))
    assert by_id[40]["result"]["isError"]
    assert by_id[41]["error"]["code"] == -32602
    assert "sandbox Track API at http://127.0.0.1:" in ended.stderr


def test_odd_json_on_the_wire_is_answered_with_payloads() -> None:
    """Some of it the SDK's own reader would pass over without a word."""
    odd = {
        "NaN": "data.a: is no JSON value",
        "Infinity": "data.a: is no JSON value",
        "1e400": "data.a: is no JSON value",
        "9" * 5000: "data.a: is no JSON value",
        '"\\ud83d"': "data.a: holds a lone surrogate",
        "[" * 300 + "]" * 300: None,
    }
    request = '{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"send_event","arguments":%s}}\n'
    calls = "".join(
        request % (number, f'{{"customer_id":"1","event_name":"x","data":{{"a":{value}}}}}')
        for number, value in enumerate(odd, start=2)
    )
    ended = run("--sandbox", stdin=lines(INITIALIZE, INITIALIZED) + calls)
    answers = {answer["id"]: answer for answer in map(json.loads, ended.stdout.splitlines())}
    for number, told in enumerate(odd.values(), start=2):
        payload = answers[number]["result"]["structuredContent"]
        assert payload["success"] is (told is None)
        assert (told or "") in str(payload["error"])


@pytest.mark.parametrize(
    ("line", "request_id", "code"),
    [
        ("this is not JSON", None, -32700),
        ("[" * 5000, None, -32700),
        ("[]", None, -32600),
        ('{"jsonrpc": "2.0", "id": "x", "method": 5}', "x", -32600),
        ('{"jsonrpc": "2.0", "id": [1]}', None, -32600),
        ('{"jsonrpc": "2.0", "id": "\\ud800", "method": "ping"}', None, -32600),
        ('{"jsonrpc": "2.0", "id": 3, "method": "\\ud800"}', 3, -32600),
        ('{"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "\\ud800"}}', 3, -32600),
    ],
)
def test_a_line_that_holds_no_message_is_answered_with_an_error(
    line: str, request_id: str | int | None, code: int
) -> None:
    ended = run("--sandbox", stdin=lines(INITIALIZE, INITIALIZED) + line + "\n" + lines(call(2, "send_event", {})))
    answers = {answer["id"]: answer for answer in map(json.loads, ended.stdout.splitlines())}
    assert answers[request_id]["error"]["code"] == code
    assert answers[2]["result"]["isError"]


def test_answers_and_errors_from_the_host_are_not_answered() -> None:
    stray = [
        {"jsonrpc": "2.0", "id": 7, "result": {}},
        {"jsonrpc": "2.0", "id": 8, "error": {"code": 1, "message": "x"}},
    ]
    ended = run("--sandbox", stdin=lines(INITIALIZE, INITIALIZED, *stray))
    assert [json.loads(line)["id"] for line in ended.stdout.splitlines()] == [1]
    assert ended.returncode == 0


def test_an_end_of_input_before_any_request_ends_the_server() -> None:
    ended = run("--sandbox")
    assert (ended.returncode, ended.stdout) == (0, "")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_server_while_it_waits_for_input_and_for_an_answer(
    scripted: ScriptedServer, stop: signal.Signals
) -> None:
    scripted.acts = [hang]
    with running(env=environment(track_url=scripted.url, api_key="site:key")) as process:
        assert process.stdin is not None
        process.stdin.write(lines(INITIALIZE, INITIALIZED, EVENT))
        process.stdin.flush()
        await scripted.received.wait()
        process.send_signal(stop)
        with anyio.fail_after(10):
            await scripted.client_left.wait()
            assert await anyio.to_thread.run_sync(process.wait) == 0


async def test_calls_in_flight_at_the_end_of_input_are_answered_even_under_one_id(scripted: ScriptedServer) -> None:
    async def answer_late(reader: Any, writer: Any) -> None:
        del reader
        # Only once the server has seen the end of its input and still waits.
        await input_ended.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    input_ended = anyio.Event()
    scripted.acts = [answer(200, "{}"), answer_late]
    with running(env=environment(track_url=scripted.url, api_key="site:key")) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(lines(INITIALIZE, INITIALIZED, EVENT, EVENT))
        process.stdin.close()
        await scripted.received.wait()
        input_ended.set()
        output = await anyio.to_thread.run_sync(process.stdout.read)
        assert await anyio.to_thread.run_sync(process.wait) == 0
    assert [json.loads(line)["id"] for line in output.splitlines()] == [1, 2, 2]
    assert '"code"' not in output


@pytest.mark.parametrize("named", [2, "2"])
async def test_a_cancelled_call_is_cancelled_upstream_and_does_not_hold_the_end(
    scripted: ScriptedServer, named: int | str
) -> None:
    scripted.acts = [hang]
    with running(env=environment(track_url=scripted.url, api_key="site:key")) as process:
        assert process.stdin is not None
        process.stdin.write(lines(INITIALIZE, INITIALIZED, EVENT))
        process.stdin.flush()
        await scripted.received.wait()
        for request_id in ([2], None, named):
            cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}}
            process.stdin.write(lines(cancelled))
        process.stdin.flush()
        with anyio.fail_after(10):
            await scripted.client_left.wait()
        process.stdin.close()
        with anyio.fail_after(10):
            assert await anyio.to_thread.run_sync(process.wait) == 0


async def test_a_host_that_no_longer_reads_ends_the_server_quietly(scripted: ScriptedServer) -> None:
    with running(env=environment(track_url=scripted.url, api_key="site:key")) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(lines(INITIALIZE, INITIALIZED, EVENT))
        process.stdin.flush()
        with anyio.fail_after(10):
            assert await anyio.to_thread.run_sync(process.wait) == 0
        told = process.stderr.read()
    assert "the host closed standard output" in told
    assert "Traceback" not in told


async def test_a_signal_ends_the_server_while_its_host_reads_nothing(scripted: ScriptedServer) -> None:
    listing = [{"jsonrpc": "2.0", "id": number, "method": "tools/list"} for number in range(2, 300)]
    with running(env=environment(track_url=scripted.url, api_key="site:key")) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(lines(INITIALIZE, INITIALIZED, *listing))
        process.stdin.flush()
        waiting = array.array("i", [0])
        with anyio.fail_after(30):
            while waiting[0] < 30_000:  # of some 2 MB of answers; a pipe holds 64 kB, so a write waits or soon will
                fcntl.ioctl(process.stdout, termios.FIONREAD, waiting)
                await anyio.lowlevel.checkpoint()
        process.terminate()
        with anyio.fail_after(20):
            assert await anyio.to_thread.run_sync(process.wait) in (0, 1)


async def test_the_settings_reach_the_tools(scripted: ScriptedServer, sandbox: RunningSandbox) -> None:
    """Attempts, time budget, rate budget and allowed keys, each where its default would show."""
    scripted.acts = [answer(503, "")] * 9
    async with Client(stdio_parameters(track_url=scripted.url, api_key="site:key", max_attempts="1")) as client:
        assert (await client.call_tool("send_event", EVENT["params"]["arguments"])).is_error
    assert len(scripted.requests) == 1
    settings = {"rate_limit": "0.05", "time_budget": "0.3", "allow_reserved_keys": "recipient"}
    parameters = stdio_parameters(track_url=sandbox.url, api_key="sandbox:sandbox", **settings)
    arguments = EVENT["params"]["arguments"] | {"data": {"recipient": "ann@example.com"}}
    async with Client(parameters) as client:
        assert not (await client.call_tool("send_event", arguments)).is_error
        second = await client.call_tool("send_event", arguments)
    assert "time budget of 0.3 seconds ran out while waiting" in second.structured_content["error"]
    assert [event.data for event in sandbox.workspace.events] == [{"recipient": "ann@example.com"}]
