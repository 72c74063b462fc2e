"""The memory of the service while callers, and others, send as much as they can."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.abc import SocketStream

from tests.support.http_service import OTHER_TOKEN, TOKEN, bearer, call, payload_in
from tests.support.process import environment, running, url_from_stderr
from tests.support.raw_messages import LEGACY, MODERN, event, headers_of, raw_call, raw_request

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

ATTACKERS = 64
MAX_MEMORY = 300_000_000
# What a body becomes: more bodies than are accepted, arrays and objects, long and short strings, wide characters.
INNER = {
    "more elements than are accepted": "[" + "[]," * 400_000 + "0]",
    "objects": "[" + '{"":0},' * 49_000 + "0]",
    "strings": json.dumps([f"{number:010}" for number in range(80_000)]),
    "wide characters": json.dumps("a" * 1_200_000 + "\N{GRINNING FACE}"),
}


@contextmanager
def service(tokens: str | None, **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the service; yields its process and URL."""
    env = environment(log_level="ERROR", **({"http_tokens": tokens} if tokens else {}), **settings)
    with running("http", "--port", "0", "--sandbox", env=env) as process:
        yield process, url_from_stderr(process, "listening on")


def peak_memory(process: subprocess.Popen[str]) -> int:
    """Return the most resident memory that a process has had, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found.group(1)) * 1024


async def connect_to(url: str) -> SocketStream:
    port = httpx.URL(url).port
    assert port is not None
    return await anyio.connect_tcp("127.0.0.1", port)


async def attack(url: str, body: bytes, headers: dict[str, str]) -> list[int]:
    """Send the same request on many connections at once; return the statuses of the responses."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers | {"Content-Length": str(len(body))}).items())
    request = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode() + body
    statuses: list[int] = []

    async def send(stream: SocketStream) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stream.send, request)
            statuses.append(int((await stream.receive())[9:12]))

    async with AsyncExitStack() as stack, anyio.create_task_group() as tasks:
        for _ in range(ATTACKERS):
            tasks.start_soon(send, await stack.enter_async_context(await connect_to(url)))
    return statuses


@pytest.mark.parametrize(("method", "scopes"), [("ping", "metrics:read"), ("tools/call", "")])
async def test_memory_is_bounded_while_another_caller_is_served(method: str, scopes: str) -> None:
    results: list[bool] = []
    statuses: list[int] = []
    with service(f"ann {TOKEN} {scopes}, bob {OTHER_TOKEN}") as (process, url):
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http:

            async def call_until(done: anyio.Event) -> None:
                while True:
                    response = await http.post(url, json=call(), headers=bearer(OTHER_TOKEN))
                    results.append(payload_in(response)["success"])
                    if done.is_set():
                        return

            for version in (LEGACY, MODERN):
                for inner in INNER.values():
                    done = anyio.Event()
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(call_until, done)
                        body = bodies(version, inner)[method]
                        statuses += await attack(url, body, bearer(TOKEN) | headers_of(version, method))
                        done.set()
        memory = peak_memory(process)
    assert len(results) >= 8
    assert all(results)
    assert 429 in statuses
    assert memory < MAX_MEMORY


def bodies(version: str, inner: str) -> dict[str, bytes]:
    """Return requests that contain `inner`, by method."""
    meta = json.loads(raw_request(version, "ping", "1"))["params"].get("_meta", {})
    ping = json.loads(raw_request(version, "ping", "1")) | {"params": {"_meta": meta | {"x": "INNER"}}}
    return {
        "ping": json.dumps(ping).replace('"INNER"', inner).encode(),
        "tools/call": raw_call(version, event(data=f'{{"x":{inner}}}')),
    }


async def test_memory_is_bounded_without_authentication_and_with_larger_bodies() -> None:
    body = bodies(LEGACY, "[" + "[]," * 660_000 + "[]]")["ping"]
    with service(None, http_max_body_bytes="2097152") as (process, url):
        statuses = await attack(url, body, headers_of(LEGACY) | bearer(TOKEN))
        assert set(statuses) <= {400, 429}
        async with httpx.AsyncClient(trust_env=False) as http:
            assert payload_in(await http.post(url, json=call(), headers=bearer(TOKEN)))["success"]
        memory = peak_memory(process)
    assert memory < MAX_MEMORY


START = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(START + b"\r\n" + b" " * 200_000, 401, id="body"),
        pytest.param(START + b"a:\r\n" * 3900 + b"\r\n", 431, id="headers"),
        pytest.param(b"GET /" + b"a" * 65_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, id="target"),
    ],
)
@pytest.mark.usefixtures("http_parser")
async def test_requests_without_a_token_are_not_kept(request_: bytes, status: int) -> None:
    with service(f"ann {TOKEN}") as (process, url):
        before = peak_memory(process)
        async with AsyncExitStack() as stack:
            for _ in range(300):
                stream = await stack.enter_async_context(await connect_to(url))
                await stream.send(request_)
                assert (await stream.receive()).startswith(f"HTTP/1.1 {status} ".encode())
            memory = peak_memory(process)
    assert memory - before < 30_000_000
