"""OpenTelemetry spans as a collector on a real socket receives them."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import AsyncIterator
from typing import Any, Final

import anyio
import httpx
import pytest
from aiohttp import web
from anyio import to_thread
from google.protobuf.json_format import MessageToDict
from mcp import Client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from customerio_track_mcp.resources.handlers import GUIDE_URI
from tests.support.http_service import HEADERS, PING, TOOLS_LIST, call, payload_in
from tests.support.process import environment, exit_status, run, running, stdio_parameters, terminate, url_from_stderr
from tests.support.scripted_server import Flood, ScriptedServer, close, hang, respond
from tests.support.web_app import serve_app

TRACE_ID: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT: Final = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
EMAIL: Final = "somebody@private.example"


class Collector:
    """An OTLP collector.

    Attributes:
        spans: the spans that were received, with their attributes as a dictionary.
        text: everything that was received, as text.
        url: the value for OTEL_EXPORTER_OTLP_ENDPOINT.
    """

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.text = ""
        self.url = ""

    async def receive(self, request: web.Request) -> web.Response:
        """Handle an export request."""
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        export = ExportTraceServiceRequest()
        export.ParseFromString(body)
        self.text += str(export)
        for resource in MessageToDict(export)["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                self.spans += [_with_attributes(span) for span in scope["spans"]]
        return web.Response()


def _with_attributes(span: dict[str, Any]) -> dict[str, Any]:
    attributes = {entry["key"]: next(iter(entry["value"].values())) for entry in span.get("attributes", [])}
    return span | {"attributes": attributes}


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.receive)
    async with serve_app(app) as collector.url:
        yield collector


def exporting_environment(scripted: ScriptedServer, endpoint: str, **variables: str) -> dict[str, str]:
    """Return the environment of a server that exports spans to `endpoint`."""
    env = environment(track_url=scripted.url, api_key="site:key")
    return env | {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint} | variables


async def test_trace_connects_the_caller_with_each_attempt(collector: Collector, scripted: ScriptedServer) -> None:
    scripted.acts = [respond(503, "{}"), close]
    env = exporting_environment(scripted, collector.url, CUSTOMERIO_LOG_FORMAT="json")
    with running("http", "--port", "0", env=env) as process:
        url = await to_thread.run_sync(url_from_stderr, process, "listening")
        async with httpx.AsyncClient(trust_env=False, timeout=30, headers=HEADERS) as http:
            event = call(customer_id=EMAIL, event_name="bought", data={"note": "private"})
            response = await http.post(url, json=event, headers={"traceparent": TRACEPARENT})
        assert payload_in(response)["success"]
        lines = [json.loads(line) for line in (await terminate(process)).splitlines()]
        assert process.returncode == 0
    of_call = [line for line in lines if "request_id" in line]
    assert [line["event"] for line in of_call] == ["attempt failed", "attempt failed", "tool call"]
    assert {line["trace_id"] for line in of_call} == {TRACE_ID}
    assert [line for line in lines if "trace_id" in line] == of_call
    (tool,) = [span for span in collector.spans if span["kind"] == "SPAN_KIND_SERVER"]
    attempts = [span for span in collector.spans if span["kind"] == "SPAN_KIND_CLIENT"]
    assert tool["name"] == "tools/call send_event"
    request_id = response.headers["x-request-id"]
    assert {tool["attributes"]["request_id"], *(line["request_id"] for line in of_call)} == {request_id}
    assert {span["traceId"] for span in collector.spans} == {tool["traceId"]}
    assert bytes.fromhex(TRACE_ID) == base64.b64decode(tool["traceId"])
    assert {span["parentSpanId"] for span in attempts} == {tool["spanId"]}
    assert {span["name"] for span in attempts} == {"POST /api/v1/customers/{identifier}/events"}
    outcomes = [
        {name: span["attributes"].get(name) for name in ("http.response.status_code", "error.type")}
        for span in attempts
    ]
    assert outcomes == [
        {"http.response.status_code": "503", "error.type": "503"},
        {"http.response.status_code": None, "error.type": "UnavailableError"},
        {"http.response.status_code": "200", "error.type": None},
    ]
    assert [span["attributes"].get("http.request.resend_count") for span in attempts] == [None, "1", "2"]
    assert EMAIL not in collector.text
    assert "private" not in collector.text


async def test_every_request_has_the_id_of_its_response_in_its_span(
    collector: Collector, scripted: ScriptedServer
) -> None:
    with running("http", "--port", "0", env=exporting_environment(scripted, collector.url)) as process:
        url = await to_thread.run_sync(url_from_stderr, process, "listening")
        ids = []
        async with httpx.AsyncClient(trust_env=False, timeout=30, headers=HEADERS) as http:
            for message in (PING, TOOLS_LIST, call(), call("no_such_tool"), dict(PING) | {"method": "unknown"}):
                for given in ("request-7", EMAIL, "x" * 65):
                    response = await http.post(url, json=message, headers={"X-Request-Id": given})
                    ids.append(response.headers["x-request-id"])
        process.terminate()
        assert await exit_status(process) == 0
    assert ids.count("request-7") == 5
    spans = [span for span in collector.spans if span["kind"] == "SPAN_KIND_SERVER"]
    assert sorted(span["attributes"]["request_id"] for span in spans) == sorted(ids)
    assert EMAIL not in collector.text


async def test_lines_have_no_trace_id_without_tracing(scripted: ScriptedServer) -> None:
    env = environment(track_url=scripted.url, api_key="site:key")
    with running("http", "--port", "0", env=env) as process:
        url = await to_thread.run_sync(url_from_stderr, process, "listening")
        async with httpx.AsyncClient(trust_env=False, timeout=30, headers=HEADERS) as http:
            message = call()
            message["params"]["_meta"] = {"traceparent": TRACEPARENT}
            await http.post(url, json=message, headers={"traceparent": TRACEPARENT})
        log = await terminate(process)
    assert "tool call" in log
    assert "trace_id" not in log


async def test_spans_are_exported_over_stdio_too(collector: Collector, scripted: ScriptedServer) -> None:
    parameters = stdio_parameters(track_url=scripted.url, api_key="site:key")
    assert parameters.env is not None
    parameters.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
    async with Client(parameters) as client:
        await client.call_tool("send_event", {"customer_id": "1", "event_name": "bought"})
    assert "POST /api/v1/customers/{identifier}/events" in {span["name"] for span in collector.spans}


async def test_calls_succeed_if_the_collector_is_unreachable(scripted: ScriptedServer) -> None:
    env = exporting_environment(scripted, "http://127.0.0.1:1", OTEL_EXPORTER_OTLP_TIMEOUT="1")
    with running("http", "--port", "0", env=env) as process:
        url = await to_thread.run_sync(url_from_stderr, process, "listening")
        async with httpx.AsyncClient(trust_env=False, timeout=30, headers=HEADERS) as http:
            assert payload_in(await http.post(url, json=call()))["success"]
        process.terminate()
        assert await to_thread.run_sync(process.wait) == 0


WRITTEN_BY_CALLERS: Final[list[tuple[dict[str, Any], dict[str, str]]]] = [
    (dict(PING) | {"id": EMAIL}, {}),
    (dict(PING) | {"id": 79_441_234_567}, {}),
    (dict(PING) | {"id": EMAIL * 50_000}, {}),
    (dict(PING) | {"method": f"ping/{EMAIL}"}, {}),
    (dict(PING) | {"method": EMAIL * 50_000}, {}),
    (call(EMAIL), {}),
    (call(EMAIL * 1000), {}),
    (call("create_or_update_customer", customer_id=EMAIL), {}),
    ({"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": {"name": EMAIL}}, {}),
    (
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "prompts/get",
            "params": {"name": "sync_customers", "arguments": {"customers": EMAIL}},
        },
        {},
    ),
    ({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": f"customerio-track://{EMAIL}"}}, {}),
    ({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": GUIDE_URI}}, {}),
    ({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"cursor": {"x": EMAIL}}}, {}),
    ({"jsonrpc": "2.0", "method": f"notifications/{EMAIL}"}, {}),
    ({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": EMAIL, "progress": EMAIL}}, {}),
    (dict(PING), {"MCP-Protocol-Version": EMAIL}),
    (dict(PING), {"traceparent": TRACEPARENT, "tracestate": "x=somebody-private-example", "baggage": f"x={EMAIL}"}),
    (
        dict(PING) | {"params": {"_meta": {"traceparent": TRACEPARENT, "tracestate": "x=somebody-private-example"}}},
        {},
    ),
    (dict(PING) | {"params": {"_meta": {"traceparent": [TRACEPARENT, EMAIL], "tracestate": [EMAIL]}}}, {}),
]
"""Messages with text of the caller in every place that a span could repeat, and their headers."""

KNOWN_NAMES: Final = re.compile(
    r"(unknown|ping|tools/list|resources/read|notifications/progress"
    r"|prompts/get (unknown|sync_customers)"
    r"|tools/call (unknown|send_event|create_or_update_customer)"
    r"|(PUT|POST) /api/v1/customers/\{identifier\}(/events)?)"
)


async def test_spans_contain_nothing_that_callers_write(collector: Collector, scripted: ScriptedServer) -> None:
    env = exporting_environment(scripted, collector.url, OTEL_BSP_SCHEDULE_DELAY="100")
    with running("http", "--port", "0", env=env) as process:
        url = await to_thread.run_sync(url_from_stderr, process, "listening")
        async with httpx.AsyncClient(trust_env=False, timeout=30, headers=HEADERS) as http:
            for message, headers in WRITTEN_BY_CALLERS:
                await http.post(url, json=message, headers=headers)
            assert payload_in(await http.post(url, json=call(), headers={"traceparent": TRACEPARENT}))["success"]
        process.terminate()
        assert await exit_status(process) == 0
    for text in (EMAIL, "somebody", "79441234567", "tracestate"):
        assert text not in collector.text
    assert len(collector.text) < 50_000
    assert [span["name"] for span in collector.spans if not KNOWN_NAMES.fullmatch(span["name"])] == []
    named = {
        (span["name"], span["attributes"].get("gen_ai.prompt.name"), span["attributes"].get("mcp.resource.uri"))
        for span in collector.spans
        if span["name"].startswith(("prompts/get", "resources/read"))
    }
    assert named == {
        ("prompts/get unknown", "unknown", None),
        ("prompts/get sync_customers", "sync_customers", None),
        ("resources/read", None, "unknown"),
        ("resources/read", None, GUIDE_URI),
    }
    of_other_caller = [span for span in collector.spans if span["name"] == "tools/call send_event"]
    assert [base64.b64decode(span["traceId"]).hex() for span in of_other_caller] == [TRACE_ID]


async def test_operator_can_set_the_length_of_attributes(collector: Collector, scripted: ScriptedServer) -> None:
    parameters = stdio_parameters(track_url=scripted.url, api_key="site:key")
    assert parameters.env is not None
    parameters.env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "4"}
    async with Client(parameters) as client:
        await client.list_tools()
    assert {len(str(value)) for span in collector.spans for value in span["attributes"].values()} == {4}


@pytest.mark.parametrize("transport", ["http", "stdio"])
async def test_collector_that_does_not_respond_does_not_delay_shutdown(
    scripted: ScriptedServer, transport: str
) -> None:
    async with ScriptedServer() as hanging:
        hanging.acts = [hang] * 100
        arguments = ["http", "--port", "0"] if transport == "http" else []
        with running(*arguments, env=exporting_environment(scripted, hanging.url)) as process:
            if transport == "http":
                url = await to_thread.run_sync(url_from_stderr, process, "listening")
                async with httpx.AsyncClient(trust_env=False, timeout=30, headers=HEADERS) as http:
                    assert payload_in(await http.post(url, json=call()))["success"]
            else:
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}) + "\n")
                process.stdin.flush()
                await to_thread.run_sync(process.stdout.readline)
            process.terminate()
            with anyio.fail_after(30):
                assert await to_thread.run_sync(process.wait, abandon_on_cancel=True) == 0
        assert hanging.requests


async def test_endless_response_of_a_collector_is_not_received(scripted: ScriptedServer) -> None:
    flood = Flood(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536)
    async with ScriptedServer() as collector:
        collector.acts = [flood]
        parameters = stdio_parameters(track_url=scripted.url, api_key="site:key")
        assert parameters.env is not None
        parameters.env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "10"}
        async with Client(parameters) as client:
            await client.list_tools()
            with anyio.fail_after(20):
                await collector.client_left.wait()
    assert flood.sent < 24_000_000  # what the buffers of the operating system take


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL: grpc is not supported"),
        ({"OTEL_BSP_SCHEDULE_DELAY": "0"}, "an OpenTelemetry variable is invalid"),
    ],
)
@pytest.mark.parametrize("command", [["http", "--port", "0"], []])
def test_invalid_variables_are_reported(command: list[str], variables: dict[str, str], expected: str) -> None:
    env = environment(api_key="site:key") | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"} | variables
    completed = run(*command, env=env)
    assert (completed.returncode, "Traceback" in completed.stderr) == (2, False)
    assert expected in completed.stderr


def test_unavailable_propagators_do_not_prevent_startup() -> None:
    assert run(env=environment(api_key="site:key") | {"OTEL_PROPAGATORS": "b3"}).returncode == 0


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, "customerio-track-mcp"),
        ({"OTEL_SERVICE_NAME": ""}, "customerio-track-mcp"),
        ({"OTEL_SERVICE_NAME": "mine"}, "mine"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=mine"}, "mine"),
    ],
)
async def test_service_name_follows_the_variables(
    collector: Collector, scripted: ScriptedServer, variables: dict[str, str], name: str
) -> None:
    parameters = stdio_parameters(track_url=scripted.url, api_key="site:key")
    assert parameters.env is not None
    parameters.env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url} | variables
    async with Client(parameters) as client:
        await client.list_tools()
    assert f'string_value: "{name}"' in collector.text
