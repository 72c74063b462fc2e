"""Fuzz a server over stdio."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import Process
from collections.abc import Iterable
from typing import Any, Final

from fuzz.checks import Checker, InvalidJsonError, parse, payload_of
from fuzz.findings import Findings
from fuzz.messages import Message
from fuzz.owed import OwedResponses
from fuzz.server import RESPONSE_TIMEOUT, Server, check_exit, check_stderr

_IN_FLIGHT: Final = 64
_INITIALIZE: Final = (
    b'{"jsonrpc":"2.0","id":"initialize","method":"initialize","params":{"protocolVersion":"2025-11-25",'
    b'"capabilities":{},"clientInfo":{"name":"fuzz","version":"1"}}}'
)
_INITIALIZED: Final = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'


async def fuzz_stdio(messages: Iterable[Message], list_tools: Message, findings: Findings, server: Server) -> None:
    """Send `messages` to a new server, and add what is wrong to `findings`.

    Args:
        messages: what to send.
        list_tools: a request for the tools, sent first; it decides the protocol of the connection.
        findings: counts and findings are added to it.
        server: the server to start.
    """
    async with server.run("stdio") as process, asyncio.TaskGroup() as tasks:
        tasks.create_task(check_stderr(process, findings))
        connection = _Connection(process, findings)
        await connection.open(list_tools)
        tasks.create_task(connection.read())
        await connection.send_all(messages)
        await connection.close()


class _Connection:
    """The host's side of the pipes.

    Args:
        process: the server.
        findings: counts and findings are added to it.
    """

    def __init__(self, process: Process, findings: Findings) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self._findings = findings
        self._checker: Checker
        self._owed = OwedResponses()
        self._answered = asyncio.Event()

    async def open(self, list_tools: Message) -> None:
        """Begin the session, and read the published schemas."""
        if not list_tools.is_modern:
            await self._ask(_INITIALIZE)
            self._write(_INITIALIZED)
        listed = await self._ask(list_tools.content)
        self._checker = Checker({tool["name"]: tool["outputSchema"] for tool in listed["tools"]})

    async def send_all(self, messages: Iterable[Message]) -> None:
        """Send every message, and wait for the responses."""
        for message in messages:
            await self._wait_for_responses(_IN_FLIGHT)
            if self._process.returncode is not None or self._findings.are_enough:
                return
            self._owed.add(message)
            self._write(message.content)
            try:
                async with asyncio.timeout(RESPONSE_TIMEOUT):
                    await self._stdin.drain()
            except TimeoutError:
                self._findings.add("the server does not read its input", message)
                self._process.kill()
                return
            except ConnectionError:
                return  # the server has exited, which `close` reports
        await self._wait_for_responses(1)

    async def close(self) -> None:
        """Close the server's stdin, and wait for its end."""
        if self._process.returncode is not None:
            for message in self._owed:
                self._findings.add("in flight when the server exited", message)
        self._stdin.close()
        await check_exit(self._process, self._findings, "the end of its input")

    async def read(self) -> None:
        """Read and check every response."""
        while line := await self._stdout.readline():
            self._on_line(line)

    def _on_line(self, line: bytes) -> None:
        try:
            response = parse(line)
        except InvalidJsonError as error:
            self._findings.add(str(error), evidence=line)
            return
        if not isinstance(response, dict) or "method" in response:
            self._findings.add("a message that is not a response", evidence=line)
            return
        message = self._owed.take(response.get("id"))
        if message is None:
            self._findings.add("a response that no message is owed", evidence=line)
            return
        self._answered.set()
        for fault in self._checker.faults(message, response):
            self._findings.add(fault, message, line)
        if (payload := payload_of(response)) is not None:
            self._findings.add_payload(message, payload)

    async def _wait_for_responses(self, limit: int) -> None:
        """Wait until fewer than `limit` messages are in flight; give up those that are not answered in time."""
        while len(self._owed) >= limit and self._process.returncode is None:
            self._answered.clear()
            try:
                async with asyncio.timeout(1):
                    await self._answered.wait()
            except TimeoutError:
                for message in self._owed.give_up_late():
                    self._findings.add("not answered", message)

    async def _ask(self, request: bytes) -> Any:
        self._write(request)
        async with asyncio.timeout(RESPONSE_TIMEOUT):
            return json.loads(await self._stdout.readline())["result"]

    def _write(self, content: bytes) -> None:
        self._stdin.write(content + b"\n")
