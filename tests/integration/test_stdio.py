"""The server as a host's subprocess."""

from __future__ import annotations

import array
import asyncio
import fcntl
import json
import resource
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Mapping
from typing import Any

import anyio
import anyio.lowlevel
import psutil
import pytest
from mcp import Client

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.loaded_command import run_loaded
from tests.support.messages import INITIALIZE
from tests.support.process import COMMAND, environment, run, running, stdio_parameters
from tests.support.scripted_server import ScriptedServer, hang, respond

HANDSHAKE = (dict(INITIALIZE) | {"id": 1}, {"jsonrpc": "2.0", "method": "notifications/initialized"})


def call(request_id: int, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


EVENT = call(2, "send_event", {"customer_id": "1", "event_name": "bought"})


def lines(*messages: Mapping[str, Any]) -> str:
    return "".join(json.dumps(message) + "\n" for message in messages)


def responses_by_id(output: str) -> dict[Any, Any]:
    return {response["id"]: response for response in map(json.loads, output.splitlines())}


@pytest.mark.parametrize(("mode", "version"), [("legacy", "2025-11-25"), ("auto", "2026-07-28")])
async def test_tools_work_over_stdio(sandbox: RunningSandbox, mode: str, version: str) -> None:
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


@pytest.mark.parametrize("params", [EVENT["params"], {"_meta": True}, {}])
def test_a_notification_with_the_name_of_a_call_is_ignored(params: dict[str, Any]) -> None:
    notification = {"jsonrpc": "2.0", "method": "tools/call", "params": params}
    completed = run_loaded("--sandbox", stdin=lines(*HANDSHAKE, notification))
    assert set(responses_by_id(completed.stdout)) == {1}
    assert "ERROR" not in completed.stderr


@pytest.mark.parametrize("arguments", [["--sandbox"], ["stdio", "--sandbox"]])
def test_stdout_contains_only_the_protocol_and_every_request_is_answered_before_the_end(arguments: list[str]) -> None:
    messages: list[dict[str, Any]] = [*HANDSHAKE]
    messages += [call(number, "send_event", {"customer_id": "1", "event_name": "bought"}) for number in range(2, 40)]
    messages += [
        call(40, "send_event", {}),
        call(41, "no_such_tool", {}),
        {"jsonrpc": "2.0", "id": 42, "method": "ping"},
    ]
    process = run(*arguments, stdin=lines(*messages) + "\n")
    responses = [json.loads(line) for line in process.stdout.splitlines()]
    assert process.returncode == 0
    assert sorted(response["id"] for response in responses) == list(range(1, 43))
    by_id = {response["id"]: response for response in responses}
    assert all(by_id[number]["result"]["structuredContent"]["success"] for number in range(2, 40))
    assert by_id[40]["result"]["isError"]
    assert by_id[41]["error"]["code"] == -32602
    assert "sandbox Track API at http://127.0.0.1:" in process.stderr


def test_json_that_pydantic_rejects_reaches_the_tool() -> None:
    """The SDK's own transport ignores some of these lines."""
    problems = {
        "NaN": "data.a: is not a number that can be sent",
        "Infinity": "data.a: is not a number that can be sent",
        "1e400": "data.a: is not a number that can be sent",
        "9" * 5000: "data.a: is not a number that can be sent",
        '"\\ud83d"': "data.a: contains a lone surrogate",
        "[" * 300 + "]" * 300: None,
    }
    request = '{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"send_event","arguments":%s}}\n'
    calls = "".join(
        request % (number, f'{{"customer_id":"1","event_name":"x","data":{{"a":{value}}}}}')
        for number, value in enumerate(problems, start=2)
    )
    process = run("--sandbox", stdin=lines(*HANDSHAKE) + calls)
    responses = responses_by_id(process.stdout)
    for number, problem in enumerate(problems.values(), start=2):
        payload = responses[number]["result"]["structuredContent"]
        assert payload["success"] is (problem is None)
        assert (problem or "") in str(payload["error"])


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
def test_invalid_line_is_answered_with_an_error(line: str, request_id: str | int | None, code: int) -> None:
    process = run_loaded("--sandbox", stdin=lines(*HANDSHAKE) + line + "\n" + lines(call(2, "send_event", {})))
    responses = responses_by_id(process.stdout)
    assert responses[request_id]["error"]["code"] == code
    assert responses[2]["result"]["isError"]


def test_unrequested_responses_of_the_host_are_ignored() -> None:
    unrequested = [
        {"jsonrpc": "2.0", "id": 7, "result": {}},
        {"jsonrpc": "2.0", "id": 8, "error": {"code": 1, "message": "x"}},
    ]
    process = run("--sandbox", stdin=lines(*HANDSHAKE, *unrequested))
    assert [json.loads(line)["id"] for line in process.stdout.splitlines()] == [1]
    assert process.returncode == 0


def test_host_whose_socket_is_non_blocking_gets_every_response() -> None:
    """Its stdin and stdout are one socket, and what is set on that at one end of a process holds for the other."""
    host, end = socket.socketpair()
    end.setblocking(False)
    calls = [call(number, "send_event", {"customer_id": "x" * 100_000}) for number in range(2, 102)]
    command = [*COMMAND, "stdio"]
    with subprocess.Popen(
        command, stdin=end.fileno(), stdout=end.fileno(), stderr=subprocess.PIPE, env=environment()
    ) as process:
        end.close()
        with host.makefile("rwb") as stream:
            stream.write(lines(*HANDSHAKE).encode())
            stream.flush()
            first = stream.readline()
            for message in calls:
                stream.write(lines(message).encode())
            stream.flush()
            host.shutdown(socket.SHUT_WR)
            output = first + stream.read()
        _, errors = process.communicate(timeout=60)
    host.close()
    assert sorted(responses_by_id(output.decode())) == list(range(1, 102)), errors
    assert process.returncode == 0


def test_end_of_input_before_any_request_ends_the_server() -> None:
    process = run("--sandbox")
    assert (process.returncode, process.stdout) == (0, "")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_signal_ends_the_server_during_a_read_and_a_call(scripted: ScriptedServer, stop: signal.Signals) -> None:
    scripted.acts = [hang]
    with running(env=environment(track_url=scripted.url, api_key="site:key")) as process:
        assert process.stdin is not None
        process.stdin.write(lines(*HANDSHAKE, EVENT))
        process.stdin.flush()
        await scripted.received.wait()
        process.send_signal(stop)
        with anyio.fail_after(30):
            await scripted.client_left.wait()
            assert await anyio.to_thread.run_sync(process.wait) == 0


async def test_calls_in_flight_at_the_end_of_input_are_answered_even_with_the_same_id(
    scripted: ScriptedServer,
) -> None:
    async def respond_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        # Only when the server may have read the end of its input.
        await input_ended.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    input_ended = anyio.Event()
    scripted.acts = [respond(200, "{}"), respond_late]
    with running(env=environment(track_url=scripted.url, api_key="site:key")) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(lines(*HANDSHAKE, EVENT, EVENT))
        process.stdin.close()
        await scripted.received.wait()
        input_ended.set()
        output = await anyio.to_thread.run_sync(process.stdout.read)
        assert await anyio.to_thread.run_sync(process.wait) == 0
    assert [json.loads(line)["id"] for line in output.splitlines()] == [1, 2, 2]
    assert '"code"' not in output


@pytest.mark.parametrize("canceled_id", [2, "2"])
async def test_canceled_call_is_canceled_upstream_and_does_not_delay_the_end(
    scripted: ScriptedServer, canceled_id: int | str
) -> None:
    scripted.acts = [hang]
    with running(env=environment(track_url=scripted.url, api_key="site:key")) as process:
        assert process.stdin is not None
        process.stdin.write(lines(*HANDSHAKE, EVENT))
        process.stdin.flush()
        await scripted.received.wait()
        for request_id in ([2], None, canceled_id):
            cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}}
            process.stdin.write(lines(cancel))
        process.stdin.flush()
        with anyio.fail_after(30):
            await scripted.client_left.wait()
        process.stdin.close()
        with anyio.fail_after(30):
            assert await anyio.to_thread.run_sync(process.wait) == 0


async def test_server_ends_without_a_traceback_if_the_host_closes_stdout(scripted: ScriptedServer) -> None:
    with running(env=environment(track_url=scripted.url, api_key="site:key")) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(lines(*HANDSHAKE, EVENT))
        process.stdin.flush()
        with anyio.fail_after(30):
            assert await anyio.to_thread.run_sync(process.wait) == 0
        output = process.stderr.read()
    assert "the host closed standard output" in output
    assert "Traceback" not in output


async def test_signal_ends_the_server_while_the_host_does_not_read(scripted: ScriptedServer) -> None:
    requests = [{"jsonrpc": "2.0", "id": number, "method": "tools/list"} for number in range(2, 300)]
    with running(env=environment(track_url=scripted.url, api_key="site:key")) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(lines(*HANDSHAKE, *requests))
        process.stdin.flush()
        unread_bytes = array.array("i", [0])
        with anyio.fail_after(30):
            # Of some 2 MB of responses. A pipe has room for 64 kB, so a write waits or soon will.
            while unread_bytes[0] < 30_000:
                fcntl.ioctl(process.stdout, termios.FIONREAD, unread_bytes)
                await anyio.lowlevel.checkpoint()
        process.terminate()
        with anyio.fail_after(20):
            assert await anyio.to_thread.run_sync(process.wait) in (0, 1)


async def test_settings_reach_the_tools(scripted: ScriptedServer, sandbox: RunningSandbox) -> None:
    """Attempts, time budget, rate limit and allowed keys, each with a value that differs visibly from its default."""
    scripted.acts = [respond(503, "")] * 9
    async with Client(stdio_parameters(track_url=scripted.url, api_key="site:key", max_attempts="1")) as client:
        assert (await client.call_tool("send_event", EVENT["params"]["arguments"])).is_error
    assert len(scripted.requests) == 1
    settings = {"rate_limit": "0.05", "time_budget": "2", "allow_reserved_keys": "recipient"}
    parameters = stdio_parameters(track_url=sandbox.url, api_key="sandbox:sandbox", **settings)
    arguments = EVENT["params"]["arguments"] | {"data": {"recipient": "ann@example.com"}}
    async with Client(parameters) as client:
        assert not (await client.call_tool("send_event", arguments)).is_error
        second = await client.call_tool("send_event", arguments)
    assert "time budget of 2 seconds was exceeded while waiting" in second.structured_content["error"]
    assert [event.data for event in sandbox.workspace.events] == [{"recipient": "ann@example.com"}]


def test_other_output_on_stdout_goes_to_stderr() -> None:
    code = """
import os, anyio
from customerio_track_mcp.stdio.pipes import lines_to_stdout

async def main():
    async with lines_to_stdout() as output:
        print("stray", flush=True)
        os.system("echo stray child")
        await output.send(b"protocol")
        print("stray and buffered")
    print("afterwards")

anyio.run(main)
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert process.stdout == "protocol\nafterwards\n"
    assert process.stderr == "stray\nstray child\nstray and buffered\n"


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
async def test_lack_of_memory_ends_the_process_with_one_line() -> None:
    with running(env=environment(api_key="sandbox:sandbox")) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(lines(INITIALIZE))
        process.stdin.flush()
        assert await anyio.to_thread.run_sync(process.stdout.readline)
        limit = psutil.Process(process.pid).memory_info().vms + 2**20
        resource.prlimit(process.pid, resource.RLIMIT_AS, (limit, limit))
        output, errors = await anyio.to_thread.run_sync(process.communicate, ("x" * 2_000_000 + "\n") * 50)
    assert (process.returncode, errors) == (1, "customerio-track-mcp: out of memory\n")
    assert "Traceback" not in output


@pytest.mark.parametrize("request_id", ["7", '"seven"'])
@pytest.mark.parametrize("is_last", [False, True])
async def test_a_line_that_is_too_long_gets_an_error_with_its_id(request_id: str, *, is_last: bool) -> None:
    member = f'"id":{request_id}'
    filler = "x" * 17_000_000
    before, after = ("", f",{member}") if is_last else (f"{member},", "")
    message = f'{{{before}"method":"ping","params":{{"id":1,"x":"{filler}"}},"jsonrpc":"2.0"{after}}}\n'
    with running(env=environment(api_key="sandbox:sandbox")) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(lines(*HANDSHAKE))
        process.stdin.flush()
        await anyio.to_thread.run_sync(process.stdout.readline)
        before_it = psutil.Process(process.pid).memory_info().rss
        process.stdin.write(message)
        process.stdin.flush()
        response = json.loads(await anyio.to_thread.run_sync(process.stdout.readline))
        grown = psutil.Process(process.pid).memory_info().rss - before_it
        output, errors = await anyio.to_thread.run_sync(process.communicate, lines(EVENT | {"method": "tools/list"}))
    assert (response["id"], response["error"]["code"]) == (json.loads(request_id), -32600)
    assert "the message is too long; the maximum is 2097152 bytes" in response["error"]["message"]
    assert grown < 10_000_000
    assert len(responses_by_id(output)[2]["result"]["tools"]) == 3
    assert errors == ""
