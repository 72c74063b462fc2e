"""No message, however odd, gets anything but one valid response, over stdio and HTTP and with both protocols."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from threading import Timer
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customerio_track_mcp.tools.registry import TOOLS
from fuzz.checks import Checker, parse
from fuzz.messages import LEGACY, MODERN
from tests.support.arbitrary_messages import META, messages, owed
from tests.support.http_service import HEADERS
from tests.support.messages import INITIALIZE
from tests.support.process import COMMAND, environment, running, url_from_stderr

CHECKER = Checker({name: tool.definition.output_schema or {} for name, tool in TOOLS.items()})
MANY_EXAMPLES = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


class StdioServer:
    """A server over stdio whose responses are read one at a time."""

    def __init__(self, process: subprocess.Popen[bytes], protocol: str) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.protocol, self._process = protocol, process
        self._stdin, self._stdout = process.stdin, process.stdout
        if protocol == LEGACY:
            self.write(json.dumps(INITIALIZE).encode())
            self.read()
        else:
            self.read_all()

    def write(self, line: bytes) -> None:
        self._stdin.write(line + b"\n")
        self._stdin.flush()

    def read(self) -> Any:
        # A read cannot be given up, but it ends with the process.
        too_late = Timer(30, self._process.kill)
        too_late.start()
        try:
            return parse(self._stdout.readline())
        finally:
            too_late.cancel()

    def read_all(self) -> list[Any]:
        """Send a valid request, and return the responses before its own."""
        params = {"_meta": META} if self.protocol == MODERN else {}
        self.write(
            json.dumps({"jsonrpc": "2.0", "id": "the last one", "method": "tools/list", "params": params}).encode()
        )
        responses = [self.read()]
        while responses[-1]["id"] != "the last one":
            responses.append(self.read())
        return responses[:-1]


@pytest.fixture(params=[LEGACY, MODERN])
def stdio_server(request: pytest.FixtureRequest) -> Iterator[StdioServer]:
    with subprocess.Popen(
        [*COMMAND, "stdio", "--sandbox"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(rate_limit="100000"),
    ) as process:
        try:
            yield StdioServer(process, request.param)
        finally:
            process.kill()


@pytest.fixture
def http_client() -> Iterator[httpx.Client]:
    env = environment(rate_limit="100000", log_level="ERROR")
    with (
        running("http", "--port", "0", "--sandbox", env=env) as process,
        httpx.Client(
            base_url=url_from_stderr(process, "listening on").removesuffix("/mcp"), trust_env=False, headers=HEADERS
        ) as client,
    ):
        yield client


@MANY_EXAMPLES
@given(data=st.data())
def test_any_line_gets_one_valid_response(stdio_server: StdioServer, data: st.DataObject) -> None:
    message = owed(data.draw(messages(stdio_server.protocol)), stdio_server.protocol)
    stdio_server.write(message.content)
    is_owed = bool(message.content.strip()) and not message.is_optional
    responses = [stdio_server.read()] if is_owed else []
    # Nothing follows: other responses are sent before the next line is read.
    responses += stdio_server.read_all()
    assert len(responses) <= 1
    for response in responses:
        assert list(CHECKER.faults(message, response)) == []


@pytest.mark.parametrize("protocol", [LEGACY, MODERN])
@MANY_EXAMPLES
@given(data=st.data())
def test_any_body_gets_one_valid_response(http_client: httpx.Client, protocol: str, data: st.DataObject) -> None:
    message = owed(data.draw(messages(protocol)), protocol)
    response = http_client.post("/mcp", content=message.content, headers=message.headers)
    assert response.status_code < 500, response.text
    if response.status_code == 202:
        assert message.is_optional
        assert not response.content
        return
    assert list(CHECKER.faults(message, parse(_json_in(response)))) == []


def _json_in(response: httpx.Response) -> bytes:
    """Return the only message in a response, which is JSON or an event stream."""
    if response.headers["content-type"].startswith("application/json"):
        return response.content
    (data,) = [line for line in response.content.splitlines() if line.startswith(b"data: {")]
    return data.removeprefix(b"data: ")
