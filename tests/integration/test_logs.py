"""The logs of the HTTP service in both formats: their fields, and what they must not contain."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import datetime
from typing import Final

import httpx
import pytest
from anyio import to_thread

from customerio_track_mcp import __version__
from tests.support.http_service import HEADERS, TOKEN, bearer, call
from tests.support.loaded_command import run_loaded, running_loaded
from tests.support.process import KEY, environment, running, terminate, url_from_stderr
from tests.support.scripted_server import ScriptedServer, respond

EMAIL: Final = "somebody@private.example"
TRACE: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def log_lines(scripted: ScriptedServer, log_format: str, **settings: str) -> list[str]:
    """Return the log of a service that got two calls of an authenticated caller and one of an unknown caller."""
    env = environment(
        track_url=scripted.url,
        api_key=f"site:{KEY}",
        log_format=log_format,
        http_tokens=f"shop-agent {TOKEN}",
        **settings,
    )
    with running_loaded("http", "--port", "0", env=env) as process:
        url = await to_thread.run_sync(url_from_stderr, process, "listening")
        async with httpx.AsyncClient(trust_env=False, timeout=30, headers=HEADERS) as http:
            event = call(customer_id=EMAIL, event_name="bought", data={"note": "private"})
            known = bearer(TOKEN)
            responses = [
                await http.post(url, json=event, headers=known | {"X-Request-Id": "request-7"}),
                await http.post(url, json=call(customer_id=EMAIL), headers=known | {"X-Request-Id": f"{EMAIL} 7"}),
                await http.post(url, json=event),
            ]
        assert responses[0].headers["x-request-id"] == "request-7"
        assert re.fullmatch(r"[0-9a-f]{32}", responses[1].headers["x-request-id"])
        log = await terminate(process)
    for private in (EMAIL, "private", TOKEN, KEY):
        assert private not in log
    return log.splitlines()


async def test_json_log_is_one_object_per_line(scripted: ScriptedServer) -> None:
    scripted.acts = [respond(503, "{}")]
    lines = [json.loads(line) for line in await log_lines(scripted, "json", log_hash_key="a key")]
    for line in lines:
        time = line.pop("time")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}", time)
        datetime.strptime(time, "%Y-%m-%dT%H:%M:%S.%f%z")
        line.pop("ms", None)
    delay = lines[0].pop("next_in_s")
    assert 0 < delay < 2
    caller = {"caller": "shop-agent"}
    request = {"request_id": "request-7"} | caller
    person = hmac.new(b"a key", EMAIL.encode(), hashlib.sha256).hexdigest()[:16]
    failed_attempt = {"event": "attempt failed", "attempt": 1, "error": "UnavailableError", "status": 503}
    assert lines[0] == {"level": "WARNING", "logger": "customerio_track_mcp.track"} | failed_attempt | request
    tool_call = {
        "level": "INFO",
        "logger": "customerio_track_mcp.calls",
        "event": "tool call",
        "tool": "send_event",
    }
    assert lines[1] == tool_call | {"outcome": "ok", "attempts": 2, "person": person} | request
    generated_id = lines[2].pop("request_id")
    assert re.fullmatch(r"[0-9a-f]{32}", generated_id)
    assert lines[2] == tool_call | {"outcome": "invalid_arguments", "attempts": 0} | caller
    lines[3].pop("request_id")
    refused = {"level": "INFO", "logger": "customerio_track_mcp.http", "event": "request refused"}
    assert lines[3] == refused | {"status": 401, "method": "POST"}
    draining = {"level": "INFO", "logger": "customerio_track_mcp.http", "event": "service draining"}
    assert lines[4] == draining | {"drain_seconds": 0.0, "grace_seconds": 30.0}
    ended = {"level": "INFO", "logger": "customerio_track_mcp.startup", "event": "service ended"}
    assert lines[5] == ended | {"status": 0}
    assert len(lines) == 6


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_start_drain_and_end_each_leave_a_line(scripted: ScriptedServer, workers: str) -> None:
    env = environment(
        track_url=scripted.url,
        api_key=f"site:{KEY}",
        region="EU",
        log_format="json",
        http_tokens=f"shop-agent {TOKEN}",
        http_issuer="https://auth.example.com",
        http_jwks_url="https://auth.example.com/keys",
        http_public_url="https://mcp.example.com/mcp",
    )
    with running_loaded("http", "--port", "0", "--workers", workers, env=env) as process:
        assert process.stderr is not None
        lines = [json.loads(await to_thread.run_sync(process.stderr.readline)) for _ in range(2)]
        rest = await terminate(process)
    lines += map(json.loads, rest.splitlines())
    started = lines[0]
    assert (started["level"], started["event"]) == ("INFO", "service started")
    fields = ("version", "transport", "authentication", "workers", "region", "sandbox")
    assert [started[field] for field in fields] == [__version__, "http", "tokens,oauth", int(workers), "EU", False]
    assert [line["event"] for line in lines[2:]] == ["service draining"] * int(workers) + ["service ended"]
    assert {line["level"] for line in lines[2:]} == {"INFO"}
    assert KEY not in str(lines)
    assert TOKEN not in str(lines)


async def test_text_log_has_the_same_fields(scripted: ScriptedServer) -> None:
    lines = await log_lines(scripted, "text")
    pattern = (
        r"\S+ \S+ INFO customerio_track_mcp\.calls tool call tool=send_event outcome=ok attempts=1 ms=[\d.]+ "
        r"person=[0-9a-f]{16} request_id=request-7 caller=shop-agent"
    )
    assert re.fullmatch(pattern, lines[0]), lines[0]


async def test_hash_of_a_person_depends_on_the_key_alone(scripted: ScriptedServer) -> None:
    hashes = []
    for settings in ({}, {}, {"log_hash_key": "another key"}):
        lines = await log_lines(scripted, "json", **settings)
        hashes.append(json.loads(lines[0])["person"])
    assert hashes[0] == hashes[1] != hashes[2]
    assert hashlib.sha256(EMAIL.encode()).hexdigest()[:16] not in hashes


@pytest.mark.parametrize("log_format", ["xml", "JSON", " text "])
def test_log_format_ignores_case_and_spaces(log_format: str) -> None:
    completed = run_loaded(env=environment(api_key="site:key", log_format=log_format))
    assert completed.returncode == (2 if log_format == "xml" else 0)


async def test_request_headers_and_metadata_are_not_logged(scripted: ScriptedServer) -> None:
    env = environment(track_url=scripted.url, api_key=f"site:{KEY}", log_level="debug")
    env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": scripted.url}
    with running("http", "--port", "0", env=env) as process:
        url = await to_thread.run_sync(url_from_stderr, process, "listening")
        async with httpx.AsyncClient(trust_env=False, timeout=30, headers=HEADERS) as http:
            for headers in (
                {"Host": EMAIL},
                {"Origin": f"https://{EMAIL}:secret"},
                {"baggage": f"{EMAIL}, +49 151 1234"},
                {"traceparent": EMAIL, "tracestate": EMAIL},
                {"traceparent": TRACE, "tracestate": f"odd {EMAIL}"},
                {"X-Request-Id": EMAIL},
                {"MCP-Protocol-Version": EMAIL},
                {"Mcp-Session-Id": EMAIL},
                {"Accept": EMAIL},
                {"Content-Type": EMAIL},
            ):
                await http.post(url, json=call(), headers=headers)
            message = call()
            for trace in ({"traceparent": EMAIL}, {"traceparent": TRACE, "tracestate": f"odd {EMAIL}"}):
                message["params"]["_meta"] = {"baggage": f"{EMAIL}, +49 151 1234"} | trace
                await http.post(url, json=message)
            await http.get(f"{url}/{EMAIL}")
        log = await terminate(process)
    assert EMAIL not in log
    assert "1234" not in log
    assert "Traceback" not in log
