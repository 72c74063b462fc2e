"""Spans, as a collector on a real socket receives them."""

from __future__ import annotations

import base64
import gzip
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from aiohttp import web
from anyio import to_thread
from google.protobuf.json_format import MessageToDict
from mcp import Client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from customerio_track_mcp.instrumentation.traces import tracing
from customerio_track_mcp.settings.base import BadSettingsError
from tests.http_service.serving import HEADERS, call, payload_in
from tests.process import environment, run, running, stdio_parameters, url_told
from tests.scripted import ScriptedServer, answer, close, hang
from tests.web_app import listening

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
EMAIL = "somebody@private.example"


class Collector:
    """Keeps the spans that it is sent."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.text = ""
        self.url = ""

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        told = ExportTraceServiceRequest()
        told.ParseFromString(body)
        self.text += str(told)
        for resource in MessageToDict(told)["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                self.spans += [named(span) for span in scope["spans"]]
        return web.Response()


def named(span: dict[str, Any]) -> dict[str, Any]:
    attributes = {entry["key"]: next(iter(entry["value"].values())) for entry in span.get("attributes", [])}
    return span | {"attributes": attributes}


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.receive)
    async with listening(app) as collector.url:
        yield collector


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as running_collector:
        yield running_collector


def exporting(collector: Collector, scripted: ScriptedServer) -> dict[str, str]:
    env = environment(track_url=scripted.url, api_key="site:key")
    return env | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}


async def test_a_trace_goes_from_the_caller_to_each_attempt(collector: Collector, scripted: ScriptedServer) -> None:
    scripted.acts = [answer(503, "{}"), close]
    with running("http", "--port", "0", env=exporting(collector, scripted)) as process:
        url = await to_thread.run_sync(url_told, process, "listening")
        async with httpx.AsyncClient(trust_env=False, timeout=30, headers=HEADERS) as http:
            event = call(customer_id=EMAIL, event_name="bought", data={"note": "private"})
            reply = await http.post(url, json=event, headers={"traceparent": PARENT})
        assert payload_in(reply)["success"]
        process.terminate()
        assert await to_thread.run_sync(process.wait) == 0
    (tool,) = [span for span in collector.spans if span["kind"] == "SPAN_KIND_SERVER"]
    attempts = [span for span in collector.spans if span["kind"] == "SPAN_KIND_CLIENT"]
    assert tool["name"] == "tools/call send_event"
    assert {span["traceId"] for span in collector.spans} == {tool["traceId"]}
    assert bytes.fromhex(TRACE) == base64.b64decode(tool["traceId"])
    assert {span["parentSpanId"] for span in attempts} == {tool["spanId"]}
    assert {span["name"] for span in attempts} == {"POST /api/v1/customers/{identifier}/events"}
    told = [
        {name: span["attributes"].get(name) for name in ("http.response.status_code", "error.type")}
        for span in attempts
    ]
    assert told == [
        {"http.response.status_code": "503", "error.type": "503"},
        {"http.response.status_code": None, "error.type": "UnavailableError"},
        {"http.response.status_code": "200", "error.type": None},
    ]
    assert [span["attributes"].get("http.request.resend_count") for span in attempts] == [None, "1", "2"]
    assert EMAIL not in collector.text
    assert "private" not in collector.text


async def test_over_stdio_too(collector: Collector, scripted: ScriptedServer) -> None:
    parameters = stdio_parameters(track_url=scripted.url, api_key="site:key")
    assert parameters.env is not None
    parameters.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
    async with Client(parameters) as client:
        await client.call_tool("send_event", {"customer_id": "1", "event_name": "bought"})
    assert "POST /api/v1/customers/{identifier}/events" in {span["name"] for span in collector.spans}


async def test_a_collector_that_is_away_costs_no_call(scripted: ScriptedServer) -> None:
    env = environment(track_url=scripted.url, api_key="site:key") | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    with running("http", "--port", "0", env=env) as process:
        url = await to_thread.run_sync(url_told, process, "listening")
        async with httpx.AsyncClient(trust_env=False, timeout=30, headers=HEADERS) as http:
            assert payload_in(await http.post(url, json=call()))["success"]
        process.terminate()
        assert await to_thread.run_sync(process.wait) == 0


def test_without_the_extra_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(BadSettingsError, match="install the extra 'otel'"), tracing():
        pass


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nothing_is_exported_unless_asked(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with tracing() as exported:
        assert not exported


@pytest.mark.parametrize("transport", ["http", "stdio"])
async def test_a_collector_that_hangs_does_not_hold_up_the_end(scripted: ScriptedServer, transport: str) -> None:
    async with ScriptedServer() as hanging:
        hanging.acts = [hang] * 100
        env = environment(track_url=scripted.url, api_key="site:key") | {"OTEL_EXPORTER_OTLP_ENDPOINT": hanging.url}
        arguments = ["http", "--port", "0"] if transport == "http" else []
        with running(*arguments, env=env) as process:
            if transport == "http":
                url = await to_thread.run_sync(url_told, process, "listening")
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


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL: grpc is not there"),
        ({"OTEL_BSP_SCHEDULE_DELAY": "0"}, "a variable of OpenTelemetry can't be used"),
    ],
)
@pytest.mark.parametrize("command", [["http", "--port", "0"], []])
def test_variables_that_can_t_be_obeyed_are_told(command: list[str], variables: dict[str, str], told: str) -> None:
    env = environment(api_key="site:key") | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"} | variables
    ended = run(*command, env=env)
    assert (ended.returncode, "Traceback" in ended.stderr) == (2, False)
    assert told in ended.stderr


def test_propagators_that_are_not_there_stop_nothing() -> None:
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
async def test_the_service_is_named_as_the_variables_say(
    collector: Collector, scripted: ScriptedServer, variables: dict[str, str], name: str
) -> None:
    parameters = stdio_parameters(track_url=scripted.url, api_key="site:key")
    assert parameters.env is not None
    parameters.env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url} | variables
    async with Client(parameters) as client:
        await client.list_tools()
    assert f'string_value: "{name}"' in collector.text
