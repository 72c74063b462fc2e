"""The steps of the demo, and the check that the sandbox recorded exactly what the tools confirmed."""

from __future__ import annotations

import json
import os
import ssl
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

import anyio
import httpx
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from tqdm import tqdm

from customerio_track_mcp.demo.customers import read_customers
from customerio_track_mcp.sandbox import run_sandbox

_SEGMENT: Final = "2"
_UNKNOWN_ID: Final = "1099"
"""An id that no example customer has."""
_RETRIED: Final = "retried after "
"""The prefix of the names of the events that are sent while a fault is injected."""
_SECONDS_BETWEEN_CALLS: Final = 0.05
"""So that somebody who watches the page sees the calls arrive."""
_SETTINGS_PREFIXES: Final = ("CUSTOMERIO_", "OTEL_")

PrintLine = Callable[[str], None]


async def run_demo(print_line: PrintLine) -> int:
    """Start a sandbox and run the demo against it.

    Args:
        print_line: called with each line of output.

    Returns:
        0 if the sandbox recorded exactly what the tools confirmed; 1 otherwise, after printing the differences.
    """
    async with run_sandbox() as sandbox:
        print_line(f"Started a sandbox Track API at {sandbox.url} (no account, no real data).")
        return await run_scenario(sandbox.url, print_line)


async def run_scenario(sandbox_url: str, print_line: PrintLine, *, is_watched: bool = False) -> int:
    """Run the demo against a sandbox that is already running, and is empty; see `run_demo`.

    Args:
        sandbox_url: the URL of the sandbox.
        print_line: called with each line of output.
        is_watched: whether somebody watches the page, so that the calls must not arrive all at once.

    Raises:
        httpx.HTTPError: the sandbox no longer responds.
        MCPError: the demo's own server failed.
        OSError: it cannot be started.
    """
    seconds = _SECONDS_BETWEEN_CALLS if is_watched else 0
    with _first_error_of_groups():
        async with _sandbox_http(sandbox_url, None) as sandbox_http:
            async with Client(_server_process(sandbox_url, None)) as client:
                version = client.protocol_version
                print_line(f"Started the MCP server and connected over stdio (MCP {version}). Its tools:")
                for tool in (await client.list_tools()).tools:
                    print_line(f"  {tool.name}: {tool.title}")
                scenario = _Scenario(client, sandbox_http, print_line, seconds)
                await scenario.make_all_calls()
            return await scenario.verify()


async def play(sandbox_url: str, ca_file: Path | None = None) -> None:
    """Send the demo's calls to a running sandbox, whatever it contains, without any output.

    Nothing is inherited that carries a protocol: a sandbox can be part of a server over stdio. If this is canceled, the
    demo's own server is ended.

    Args:
        sandbox_url: the URL of the sandbox.
        ca_file: the CA certificate that an https sandbox is trusted by.

    Raises:
        httpx.HTTPError: the sandbox no longer responds.
        MCPError: the demo's own server failed.
        OSError: it cannot be started.
    """
    url = _connectable(sandbox_url)
    with open(os.devnull, "w") as nowhere, _first_error_of_groups():  # noqa: PTH123, ASYNC230 - nothing waits for it
        async with (
            _sandbox_http(url, ca_file) as sandbox_http,
            Client(stdio_client(_server_process(url, ca_file), errlog=nowhere)) as client,
        ):
            await _Scenario(client, sandbox_http, _print_nothing, _SECONDS_BETWEEN_CALLS, nowhere).make_all_calls()


@contextmanager
def _first_error_of_groups() -> Iterator[None]:
    """Raise the first error of a group, which the client's task groups create, instead of the group."""
    try:
        yield
    except ExceptionGroup as group:
        error: Exception = group
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        raise error from None


def _print_nothing(line: str) -> None:
    del line


def _connectable(url: str) -> str:
    """Return the URL of a sandbox that listens on all addresses with the one of loopback instead."""
    parsed = httpx.URL(url)
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(parsed.host)  # noqa: S104 - only compared with
    return str(parsed.copy_with(host=loopback)) if loopback else url


def _sandbox_http(url: str, ca_file: Path | None) -> httpx.AsyncClient:
    verify = ssl.create_default_context(cafile=ca_file) if ca_file else True
    return httpx.AsyncClient(base_url=url, trust_env=False, verify=verify)


def _server_process(sandbox_url: str, ca_file: Path | None) -> StdioServerParameters:
    settings = {
        "CUSTOMERIO_LOG_LEVEL": "ERROR",
        "CUSTOMERIO_LOG_FORMAT": "json",  # the startup lines are log lines too, below this level
        "CUSTOMERIO_SECRETS_DIR": os.devnull,
    }
    trust = {"SSL_CERT_FILE": str(ca_file)} if ca_file else {}
    # The user's settings for a real workspace must not affect the demo, whose calls are not for their collector of
    # traces either. CUSTOMERIO_ENV_FILE is one of them.
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith(_SETTINGS_PREFIXES)}
    return StdioServerParameters(
        command=sys.executable,
        # -P: import nothing from the working directory.
        args=["-P", "-m", "customerio_track_mcp", "stdio", "--sandbox", sandbox_url],
        env=inherited | settings | trust,
    )


class _Scenario:
    """The demo's calls.

    Args:
        client: connected to the server.
        sandbox: for the sandbox's own endpoints.
        print_line: called with each line of output.
        seconds: the time between two calls.
        progress: where a progress bar is shown, if that is a terminal; None for stderr.
    """

    def __init__(
        self,
        client: Client,
        sandbox: httpx.AsyncClient,
        print_line: PrintLine,
        seconds: float,
        progress: TextIO | None = None,
    ) -> None:
        self._client = client
        self._sandbox = sandbox
        self._print_line = print_line
        self._seconds = seconds
        self._progress = progress
        self._confirmed: Counter[str] = Counter()
        self._failures: list[str] = []

    async def make_all_calls(self) -> None:
        await self._load()
        await self._inject_faults()
        await self._add_unknown_id_to_segment()
        await self._send_invalid_arguments()

    async def _load(self) -> None:
        self._print_line("Load example data:")
        calls = list(_example_calls(read_customers()))
        for call in tqdm(calls, desc="calls", disable=None, leave=False, file=self._progress):
            await self._call(call.tool, call.arguments)
        for (what, tool), number in Counter((call.what, call.tool) for call in calls).items():
            self._print_line(f"  {what}: {number} {'call' if number == 1 else 'calls'} of {tool}")

    async def _inject_faults(self) -> None:
        for fault, name, description in (
            ({"kind": "status", "status": 503}, "503", "the next request fails with 503. The server retries."),
            (
                {"kind": "lost_reply"},
                "lost response",
                "the next event is recorded, but the response is lost. The server retries with the same event id, so "
                "that the event is not recorded twice.",
            ),
        ):
            self._print_line(f"Inject a fault: {description}")
            (await self._sandbox.post("/_sandbox/faults", json=fault)).raise_for_status()
            payload = await self._call("send_event", {"customer_id": "1001", "event_name": f"{_RETRIED}{name}"})
            self._print_line(f"  send_event returns: {payload['message'] or payload['error']}")

    async def _add_unknown_id_to_segment(self) -> None:
        self._print_line(
            f"Add 1002 and {_UNKNOWN_ID} to segment {_SEGMENT}. The API drops {_UNKNOWN_ID} silently: nobody has it."
        )
        arguments = {"segment_id": _SEGMENT, "customer_ids": ["1002", _UNKNOWN_ID]}
        payload = await self._call("add_customers_to_segment", arguments, unknown_ids=1)
        self._print_line(f"  add_customers_to_segment returns: {payload['message'] or payload['error']}")

    async def _send_invalid_arguments(self) -> None:
        arguments = {
            "customer_id": "1001",
            "email": "amelie.durand@ateliers-durand.example",
            "created_at": 1672560000000,
            "attributes": {"unsubscribed": True},
        }
        self._print_line(f"Call create_or_update_customer with invalid arguments: {json.dumps(arguments)}")
        result = await self._client.call_tool("create_or_update_customer", arguments)
        error = result.structured_content["error"]
        self._print_line(f"  It returns an error (isError {str(result.is_error).lower()}) to the model: {error}")

    async def verify(self) -> int:
        state = (await self._sandbox.get("/_sandbox/state")).json()
        segment = next(segment for segment in state["segments"] if segment["id"] == int(_SEGMENT))
        events = Counter(event["name"] for event in state["events"])
        people, requests = len(state["people"]), state["requests"]
        self._print_line("The sandbox recorded:")
        self._print_line(f"  {people} people, {events.total()} events in {requests} requests")
        self._print_line(f"  {len(segment['members'])} people in segment {_SEGMENT} ({segment['name']})")
        if repeats := sum(request["is_repeat"] for request in state["request_log"]):
            self._print_line(f"  {repeats} repeated event, recognized by its id and recorded once")
        for dropped in state["dropped"]:
            self._print_line(f"  dropped: {dropped['what']} for {dropped['identifier']}: {dropped['reason']}")
        recorded = {
            "create_or_update_customer": people,
            "send_event": events.total(),
            "segment members": len(segment["members"]),
        }
        differences = [
            f"{what}: the tools confirmed {self._confirmed[what]}, the sandbox recorded {number}"
            for what, number in recorded.items()
            if number != self._confirmed[what]
        ]
        dropped_ids = [dropped["identifier"] for dropped in state["dropped"]]
        if dropped_ids != [_UNKNOWN_ID]:
            differences.append(f"expected a drop of {_UNKNOWN_ID} alone, the sandbox recorded {dropped_ids}")
        differences += [
            f"event {name!r} was recorded {number} times"
            for name, number in events.items()
            if name.startswith(_RETRIED) and number != 1
        ]
        for problem in [*self._failures, *differences]:
            self._print_line(f"FAILED: {problem}")
        if self._failures or differences:
            return 1
        self._print_line("Passed: all that the tools confirmed was recorded exactly once, except the unknown id.")
        return 0

    async def _call(self, tool: str, arguments: Mapping[str, Any], *, unknown_ids: int = 0) -> dict[str, Any]:
        await anyio.sleep(self._seconds)
        payload: dict[str, Any] = (await self._client.call_tool(tool, dict(arguments))).structured_content or {}
        if not payload.get("success"):
            self._failures.append(f"{tool}: {payload.get('error')}")
            (await self._sandbox.get("/_sandbox")).raise_for_status()  # further calls would only wait for it, too
        elif tool == "add_customers_to_segment":
            self._confirmed["segment members"] += payload["customer_count"] - unknown_ids
        else:
            self._confirmed[tool] += 1
        return payload


class _ExampleCall(NamedTuple):
    what: str
    tool: str
    arguments: Mapping[str, Any]


def _example_calls(customers: Sequence[Mapping[str, Any]]) -> Iterator[_ExampleCall]:
    """Yield the calls in the order in which they would happen, customer by customer."""
    for number, customer in enumerate(customers):
        about = {"customer_id": customer["customer_id"]}
        yield _ExampleCall("customers", "create_or_update_customer", customer)
        signed_up = {"event_name": "signed_up", "data": {"plan": customer["attributes"]["plan"], "source": "demo"}}
        yield _ExampleCall("sign-up events", "send_event", about | signed_up)
        if number % 2 == 0:
            viewed = {"event_name": "https://shop.example/pricing", "event_type": "page"}
            yield _ExampleCall("page views", "send_event", about | viewed)
    members = {"segment_id": _SEGMENT, "customer_ids": [customer["customer_id"] for customer in customers[::3]]}
    yield _ExampleCall("segment members", "add_customers_to_segment", members)
