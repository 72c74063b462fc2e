"""A sandbox in a thread of its own: its start, its end, and who may use it in between."""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from customerio_track_mcp.sandbox import DataFileError, RunningSandbox, Sandbox, run_sandbox
from customerio_track_mcp.sandbox.sandbox_thread import SandboxThread
from customerio_track_mcp.track import Credentials, TrackClient
from tests.support.sandbox_state import AUTH

REQUEST = b"PUT /api/v1/customers/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"

USES: list[Callable[[Sandbox], object]] = [
    lambda sandbox: sandbox.url,
    lambda sandbox: sandbox.host,
    lambda sandbox: sandbox.port,
    lambda sandbox: sandbox.ca_file,
    lambda sandbox: sandbox.people,
    lambda sandbox: sandbox.requests,
    lambda sandbox: sandbox.find_person("1"),
    lambda sandbox: sandbox.add_person("1"),
    lambda sandbox: sandbox.fail_next(),
    lambda sandbox: sandbox.reset(),
    lambda sandbox: sandbox.assert_nothing_dropped(),
]


def put(sandbox: Sandbox, identifier: str, **attributes: object) -> int:
    url = f"{sandbox.url}/api/v1/customers/{identifier}"
    context: ssl.SSLContext | bool = False
    if sandbox.ca_file is not None:
        context = ssl.create_default_context(cafile=sandbox.ca_file)
    with httpx.Client(auth=(sandbox.site_id, sandbox.api_key), verify=context, trust_env=False) as http:
        return http.put(url, json=attributes).status_code


def names_of_threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("customerio"))


def test_program_writes_and_reads_in_two_lines() -> None:
    with Sandbox() as sandbox:
        assert put(sandbox, "1", email="ann@example.com") == 200
        assert [person.email for person in sandbox.people] == ["ann@example.com"]
        assert (sandbox.host, sandbox.url) == ("127.0.0.1", f"http://127.0.0.1:{sandbox.port}")
        assert sandbox.ca_file is None
    assert names_of_threads() == []


@pytest.mark.parametrize("region", ["us", "eu"])
def test_region_is_the_one_that_is_passed(region: Any) -> None:
    with Sandbox(region=region) as sandbox:
        response = httpx.get(f"{sandbox.url}/api/v1/accounts/region", auth=AUTH, trust_env=False)
    assert response.json()["region"] == region


def test_tls_has_a_file_with_its_ca_until_the_block_ends() -> None:
    with Sandbox(tls=True) as sandbox:
        assert sandbox.url == f"https://127.0.0.1:{sandbox.port}"
        assert put(sandbox, "1") == 200
        ca_file = sandbox.ca_file
        assert ca_file is not None
        assert ca_file.read_text().count("-----BEGIN ") == 1
    assert not ca_file.parent.exists()


@pytest.mark.parametrize("tls", [False, True])
def test_port_in_use_is_reported_and_leaves_nothing(tls: bool) -> None:
    with Sandbox(tls=tls) as first:
        other = Sandbox(first.port, tls=tls)
        for _ in range(2):
            with pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1 port {first.port}: .+port=0") as error:
                other.__enter__()
            assert error.value.errno == errno.EADDRINUSE
        assert names_of_threads() == ["customerio-sandbox"]
        port = first.port
    with other:
        assert other.port == port


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"port": -1}, ValueError, "^port: must be a number from 0 to 65535"),
        ({"port": 65536}, ValueError, "^port: must be a number from 0 to 65535"),
        ({"port": "8765"}, ValueError, "^port: must be a number from 0 to 65535"),
        ({"region": "uk"}, ValueError, "^region: must be one of us, eu"),
        ({"data": "missing/sandbox.db"}, DataFileError, "its folder does not exist"),
        ({"data": __file__}, DataFileError, "was not written by"),
    ],
)
def test_start_that_fails_is_reported_and_leaves_nothing(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message), Sandbox(**options):
        pytest.fail("it has started")
    assert names_of_threads() == []


@pytest.mark.parametrize("use", USES)
def test_use_outside_the_block_is_an_error(use: Callable[[Sandbox], object]) -> None:
    sandbox = Sandbox()
    with pytest.raises(RuntimeError, match="not running: use it inside its with block"):
        use(sandbox)
    with sandbox:
        use(sandbox)
    with pytest.raises(RuntimeError, match="not running: use it inside its with block"):
        use(sandbox)


def test_second_start_is_an_error_and_the_first_goes_on() -> None:
    with Sandbox() as sandbox:
        with pytest.raises(RuntimeError, match="is running already: create another one"), sandbox:
            pytest.fail("it has started")
        assert put(sandbox, "1") == 200


def test_start_after_the_block_is_empty_without_a_data_file(tmp_path: Path) -> None:
    kept, forgotten = Sandbox(data=str(tmp_path / "sandbox.db")), Sandbox()
    for sandbox in (kept, forgotten):
        with sandbox:
            sandbox.add_segment(7, "VIP", members=[sandbox.add_person("1")])
    with kept, forgotten:
        assert [person.id for person in kept.people] == ["1"]
        assert [(segment.name, len(segment.members)) for segment in kept.segments[3:]] == [("VIP", 1)]
        assert (forgotten.people, len(forgotten.segments)) == ((), 3)


def test_two_run_at_once() -> None:
    with Sandbox() as one, Sandbox() as other:
        put(one, "1")
        put(other, "2")
        assert ([person.id for person in one.people], [person.id for person in other.people]) == (["1"], ["2"])


def test_threads_may_use_it_at_once() -> None:
    with Sandbox() as sandbox, ThreadPoolExecutor(8) as pool:

        def use(number: int) -> None:
            put(sandbox, str(number))
            sandbox.add_event(str(number), "bought")
            assert sandbox.find_person(str(number)) in sandbox.people

        list(pool.map(use, range(100)))
        assert sorted(int(event.person.id or "") for event in sandbox.events) == list(range(100))


def test_thread_that_uses_it_while_it_stops_gets_the_error_of_its_block() -> None:
    started = threading.Event()
    errors: list[Exception] = []

    def use(sandbox: Sandbox) -> None:
        try:
            while True:
                assert sandbox.segments
                started.set()
        except RuntimeError as error:
            errors.append(error)

    for _ in range(10):
        started.clear()
        with Sandbox() as sandbox:
            thread = threading.Thread(target=use, args=[sandbox])
            thread.start()
            assert started.wait(30)
        thread.join(30)
        assert not thread.is_alive()
    assert {str(error) for error in errors} == {"the sandbox is not running: use it inside its with block"}


async def test_coroutine_may_use_it_with_clients_of_its_own_loop() -> None:
    with Sandbox() as sandbox:
        credentials = Credentials(sandbox.site_id, sandbox.api_key)
        async with TrackClient(credentials, sandbox.url) as client:
            await client.track("1", "bought", data={"total": 5})
        assert [(event.person.id, event.data) for event in sandbox.events] == [("1", {"total": 5})]


@pytest.mark.parametrize("tls", [False, True])
def test_event_loop_is_not_the_one_of_the_program(tls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.events, "new_event_loop", lambda: pytest.fail("a loop of the program's policy"))
    with Sandbox(tls=tls) as sandbox:
        assert put(sandbox, "1") == 200


@pytest.mark.parametrize("error", [KeyError("x"), KeyboardInterrupt(), SystemExit(3), OSError(98, "mine")])
def test_exception_in_the_block_is_not_changed(error: BaseException) -> None:
    with pytest.raises(type(error)) as raised, Sandbox():
        raise error
    assert raised.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    assert names_of_threads() == []


@pytest.mark.parametrize("tls", [False, True])
def test_many_starts_leave_no_thread_and_no_descriptor(tls: bool) -> None:
    def start() -> None:
        with Sandbox(tls=tls) as sandbox:
            put(sandbox, "1")

    start()
    gc.collect()
    descriptors, threads = psutil.Process().num_fds(), threading.active_count()
    for _ in range(20):
        start()
    gc.collect()
    assert (psutil.Process().num_fds(), threading.active_count()) == (descriptors, threads)


@pytest.mark.parametrize("content", [b"", REQUEST, REQUEST[:40]])
@pytest.mark.parametrize("tls", [False, True])
def test_connections_that_are_open_are_closed(tls: bool, content: bytes) -> None:
    with Sandbox(tls=tls) as sandbox:
        client: socket.socket = socket.create_connection((sandbox.host, sandbox.port), timeout=30)
        if sandbox.ca_file is not None:
            context = ssl.create_default_context(cafile=sandbox.ca_file)
            client = context.wrap_socket(client, server_hostname="127.0.0.1")
        client.sendall(content)
        if content == REQUEST:
            assert client.recv(12) == b"HTTP/1.1 401"
        else:
            assert put(sandbox, "1") == 200  # the other connection has been accepted before this one
    with client:
        while client.recv(2**16):
            pass
    gc.collect()  # a transport that was not closed would be a ResourceWarning, which is an error


def test_connection_in_its_handshake_is_closed() -> None:
    with Sandbox(tls=True) as sandbox:
        client = socket.create_connection((sandbox.host, sandbox.port), timeout=30)
        assert put(sandbox, "1") == 200
    with client:
        assert client.recv(1) == b""
    gc.collect()


def test_client_that_does_not_receive_does_not_delay_the_end() -> None:
    with Sandbox() as sandbox:
        for number in range(100):
            sandbox.add_event("1", f"bought {number}", data={"padding": "x" * 99_000})
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((sandbox.host, sandbox.port))
        client.sendall(b"GET /_sandbox/state HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"
    client.close()
    assert names_of_threads() == []
    gc.collect()


def test_ctrl_c_while_it_starts_leaves_nothing() -> None:
    @asynccontextmanager
    async def interrupted() -> AsyncIterator[RunningSandbox]:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        async with run_sandbox() as sandbox:
            yield sandbox

    for _ in range(10):
        with pytest.raises(KeyboardInterrupt):
            SandboxThread(interrupted()).start()
        assert names_of_threads() == []


def test_delay_ends_although_the_clock_of_the_program_has_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox() as sandbox:
        sandbox.delay_next(0.01)
        monkeypatch.setattr(time, "monotonic", lambda: 1577836800.0)
        assert put(sandbox, "1") == 200


FORK = """
import gc, os, sys, threading, urllib.request
from customerio_track_mcp.sandbox import Sandbox

with Sandbox(tls={tls}) as sandbox:
    if os.fork() == 0:
        for use in (lambda: sandbox.people, lambda: sandbox.add_person("1"), sandbox.reset, sandbox.fail_next):
            try:
                use()
                print("it has an effect")
            except RuntimeError as error:
                assert "runs in the parent process" in str(error), error
        if not {tls}:
            urllib.request.urlopen(sandbox.url + "/_sandbox").close()
        {end}
    _, status = os.wait()
    assert status == 0, status
    assert sandbox.people == ()
    assert not {tls} or sandbox.ca_file.exists()
    assert threading.active_count() == 2
print("passed")
"""


@pytest.mark.parametrize("end", ["sys.exit()", "sandbox.__exit__(None, None, None); gc.collect(); os._exit(0)"])
@pytest.mark.parametrize("tls", [False, True])
def test_fork_can_send_requests_and_changes_nothing_else(tls: bool, end: str) -> None:
    program = FORK.format(tls=tls, end=end)
    # Python 3.12 and newer warn of each fork of a program with threads.
    options = ["-W", "error", "-W", "ignore::DeprecationWarning"]
    result = subprocess.run(
        [sys.executable, *options, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (result.stdout, result.stderr) == ("passed\n", "")


@pytest.mark.parametrize(
    "start",
    [
        "sandbox = Sandbox(tls={tls}).__enter__()",
        "def running():\n    with Sandbox(tls={tls}) as sandbox:\n        yield sandbox\n"
        "generator = running()\nsandbox = next(generator)",
    ],
)
@pytest.mark.parametrize("tls", [False, True])
def test_program_that_does_not_leave_the_block_ends_and_leaves_nothing(tls: bool, start: str) -> None:
    program = "\n".join(
        ["from customerio_track_mcp.sandbox import Sandbox", start.format(tls=tls), "print(sandbox.ca_file)"]
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert not tls or not Path(result.stdout.strip()).parent.exists()


PROGRAM = """
import signal, sys
from customerio_track_mcp.sandbox import Sandbox
with Sandbox(tls={tls}) as sandbox:
    print(sandbox.url, flush=True)
    {wait}
"""


@pytest.mark.parametrize("tls", [False, True])
def test_ctrl_c_ends_the_program(tls: bool) -> None:
    program = PROGRAM.format(tls=tls, wait="signal.pause()")
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert stderr.rstrip().endswith("KeyboardInterrupt")
    assert stderr.count("Traceback") == 1


@pytest.mark.parametrize("tls", [False, True])
def test_program_gets_no_warning(tls: bool) -> None:
    wait = "import socket; client = socket.create_connection((sandbox.host, sandbox.port))"
    program = PROGRAM.format(tls=tls, wait=wait) + "client.close()\n"
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (result.returncode, result.stderr) == (0, "")
