"""Fuzz a server over streamable HTTP."""

from __future__ import annotations

import asyncio
import re
from asyncio.subprocess import Process
from collections.abc import Iterable, Iterator
from typing import Any, Final

import aiohttp

from customerio_track_mcp.settings.http import HttpSettings
from fuzz.checks import Checker, InvalidJsonError, parse, payload_of
from fuzz.findings import Findings
from fuzz.messages import Message
from fuzz.server import RESPONSE_TIMEOUT, Server, check_exit, check_stderr

_IN_FLIGHT: Final = 32
_HEADERS: Final = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
_URL: Final = re.compile(rb'http://[^\s;)",]+')
_ACCEPTED: Final = 202
_TOO_LARGE: Final = 413
_MAX_BODY_BYTES: Final = HttpSettings.model_fields["max_body_bytes"].default


async def fuzz_http(messages: Iterable[Message], list_tools: Message, findings: Findings, server: Server) -> None:
    """Send `messages` to a new server, and add what is wrong to `findings`.

    Args:
        messages: what to send.
        list_tools: a request for the tools, sent first.
        findings: counts and findings are added to it.
        server: the server to start.
    """
    async with server.run("http", "--port", "0") as process, asyncio.TaskGroup() as tasks:
        url = await _url(process)
        tasks.create_task(check_stderr(process, findings))
        async with aiohttp.ClientSession(
            headers=_HEADERS,
            timeout=aiohttp.ClientTimeout(total=RESPONSE_TIMEOUT),
            connector=aiohttp.TCPConnector(limit=0),
        ) as session:
            client = _Client(url, session, process, findings)
            await client.open(list_tools)
            await client.send_all(messages)
        if process.returncode is None:
            process.terminate()
        await check_exit(process, findings, "SIGTERM")


class _Client:
    """A client of the service, which sends several messages at a time."""

    def __init__(self, url: str, session: aiohttp.ClientSession, process: Process, findings: Findings) -> None:
        self._url, self._session, self._process, self._findings = url, session, process, findings
        self._checker: Checker

    async def open(self, list_tools: Message) -> None:
        """Read the published schemas."""
        async with self._session.post(self._url, data=list_tools.content, headers=list_tools.headers) as response:
            (answer,) = _messages_in(response, await response.read())
        self._checker = Checker({tool["name"]: tool["outputSchema"] for tool in answer["result"]["tools"]})

    async def send_all(self, messages: Iterable[Message]) -> None:
        """Send every message, and wait for the responses."""
        remaining = iter(messages)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_IN_FLIGHT):
                tasks.create_task(self._send_each(remaining))

    async def _send_each(self, messages: Iterator[Message]) -> None:
        for message in messages:
            if self._process.returncode is not None or self._findings.are_enough:
                return
            try:
                async with self._session.post(self._url, data=message.content, headers=message.headers) as response:
                    self._check(message, response, await response.read())
            except (aiohttp.ClientError, TimeoutError) as error:
                self._findings.add(f"not answered: {type(error).__name__}", message)

    def _check(self, message: Message, response: aiohttp.ClientResponse, content: bytes) -> None:
        if response.status == _TOO_LARGE and len(message.content) > _MAX_BODY_BYTES:
            return
        if response.status >= 500:
            self._findings.add(f"status {response.status}", message, content)
        if response.status == _ACCEPTED and not content.strip():
            if message.ids and not message.is_optional:
                self._findings.add("not answered: status 202", message)
            return
        try:
            answers = list(_messages_in(response, content))
        except InvalidJsonError as error:
            self._findings.add(f"{error}; status {response.status}", message, content)
            return
        if len(answers) != 1 or not isinstance(answers[0], dict):
            self._findings.add(f"{len(answers)} messages in the response", message, content)
            return
        # Over HTTP, whatever is posted gets a response: an error without an id if none is owed.
        owed = message if message.ids else message.owing_an_error()
        for fault in self._checker.faults(owed, answers[0]):
            self._findings.add(fault, message, content)
        if (payload := payload_of(answers[0])) is not None:
            self._findings.add_payload(message, payload)


def _messages_in(response: aiohttp.ClientResponse, content: bytes) -> Iterator[Any]:
    """Yield the JSON-RPC messages in a response, which is JSON or an event stream.

    Raises:
        InvalidJsonError: one of them is not valid JSON.
    """
    if response.content_type != "text/event-stream":
        yield parse(content)
        return
    for line in re.split(rb"\r\n|\n|\r", content):
        if line.startswith(b"data:") and (data := line.removeprefix(b"data:").strip()):
            yield parse(data)


async def _url(process: Process) -> str:
    """Return the URL that the service logs when it listens."""
    assert process.stderr is not None
    async with asyncio.timeout(RESPONSE_TIMEOUT):
        while line := await process.stderr.readline():
            if b"listening" in line and (found := _URL.search(line)):
                return found[0].decode()
    raise RuntimeError("the service has exited without listening")
