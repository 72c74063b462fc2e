"""What the log holds, in both formats, and what it must not hold."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
from datetime import datetime

import httpx
import pytest
from anyio import to_thread

from customerio_track_mcp.instrumentation.logs import _shown, _TextFormatter
from tests.http_service.serving import HEADERS, TOKEN, bearer, call
from tests.process import KEY, environment, run, running, url_told
from tests.scripted import ScriptedServer, answer

EMAIL = "somebody@private.example"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def lines_of(scripted: ScriptedServer, log_format: str, **settings: str) -> list[str]:
    """The log of a service to which a known caller and an unknown one came."""
    env = environment(
        track_url=scripted.url,
        api_key=f"site:{KEY}",
        log_format=log_format,
        http_tokens=f"shop-agent {TOKEN}",
        **settings,
    )
    with running("http", "--port", "0", env=env) as process:
        url = await to_thread.run_sync(url_told, process, "listening")
        async with httpx.AsyncClient(trust_env=False, timeout=30, headers=HEADERS) as http:
            event = call(customer_id=EMAIL, event_name="bought", data={"note": "private"})
            known = bearer(TOKEN)
            replies = [
                await http.post(url, json=event, headers=known | {"X-Request-Id": "request-7"}),
                await http.post(url, json=call(customer_id=EMAIL), headers=known | {"X-Request-Id": f"{EMAIL} \x7f"}),
                await http.post(url, json=event),
            ]
        assert replies[0].headers["x-request-id"] == "request-7"
        assert re.fullmatch(r"[0-9A-Z]{26}", replies[1].headers["x-request-id"])
        process.terminate()
        _, told = await to_thread.run_sync(process.communicate)
    for private in (EMAIL, "private", TOKEN, KEY):
        assert private not in told
    return told.splitlines()


async def test_json_is_one_object_a_line(scripted: ScriptedServer) -> None:
    scripted.acts = [answer(503, "{}")]
    told = [json.loads(line) for line in await lines_of(scripted, "json", log_hash_key="a key")]
    for line in told:
        datetime.strptime(line.pop("time"), "%Y-%m-%dT%H:%M:%S%z")
        line.pop("ms", None)
    pause = told[0].pop("next_in_s")
    assert 0 < pause < 2
    caller = {"caller": "shop-agent"}
    known = {"request_id": "request-7"} | caller
    person = hmac.new(b"a key", EMAIL.encode(), hashlib.sha256).hexdigest()[:16]
    failed = {"event": "attempt failed", "attempt": 1, "error": "UnavailableError", "status": 503}
    ended = {"event": "tool call", "tool": "send_event"}
    assert told[0] == {"level": "WARNING", "logger": "customerio_track_mcp.track"} | failed | known
    called = {"level": "INFO", "logger": "customerio_track_mcp.calls"} | ended
    assert told[1] == called | {"outcome": "ok", "attempts": 2, "person": person} | known
    own_id = told[2].pop("request_id")
    assert re.fullmatch(r"[0-9A-Z]{26}", own_id)
    assert told[2] == called | {"outcome": "invalid_arguments", "attempts": 0} | caller
    told[3].pop("request_id")
    refused = {"level": "INFO", "logger": "customerio_track_mcp.http", "event": "request refused"}
    assert told[3] == refused | {"status": 401, "method": "POST"}
    assert len(told) == 4


async def test_text_has_the_same_fields(scripted: ScriptedServer) -> None:
    told = await lines_of(scripted, "text")
    pattern = (
        r"\S+ \S+ INFO customerio_track_mcp\.calls tool call tool=send_event outcome=ok attempts=1 ms=[\d.]+ "
        r"person=[0-9a-f]{16} request_id=request-7 caller=shop-agent"
    )
    assert re.fullmatch(pattern, told[0]), told[0]


async def test_one_person_has_the_same_hash_for_as_long_as_the_key_lasts(scripted: ScriptedServer) -> None:
    hashes = []
    for settings in ({}, {}, {"log_hash_key": "another key"}):
        told = await lines_of(scripted, "json", **settings)
        hashes.append(json.loads(told[0])["person"])
    assert hashes[0] == hashes[1] != hashes[2]
    assert hashlib.sha256(EMAIL.encode()).hexdigest()[:16] not in hashes


@pytest.mark.parametrize("log_format", ["xml", "JSON", " text "])
def test_a_format_in_any_case_and_no_other(log_format: str) -> None:
    ended = run(env=environment(api_key="site:key", log_format=log_format))
    assert ended.returncode == (2 if log_format == "xml" else 0)


def test_a_value_cannot_break_a_line_of_text() -> None:
    assert [_shown(value) for value in ("a b", 'a"b', "a\nb=c", "", "plain")] == [
        '"a b"',
        '"a\\"b"',
        '"a\\nb=c"',
        '""',
        "plain",
    ]


async def test_nothing_that_a_caller_chose_gets_into_a_line(scripted: ScriptedServer) -> None:
    env = environment(track_url=scripted.url, api_key=f"site:{KEY}", log_level="debug")
    env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": scripted.url}
    with running("http", "--port", "0", env=env) as process:
        url = await to_thread.run_sync(url_told, process, "listening")
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
            meta = call()
            for trace in ({"traceparent": EMAIL}, {"traceparent": TRACE, "tracestate": f"odd {EMAIL}"}):
                meta["params"]["_meta"] = {"baggage": f"{EMAIL}, +49 151 1234"} | trace
                await http.post(url, json=meta)
            await http.get(f"{url}/{EMAIL}")
        process.terminate()
        _, told = await to_thread.run_sync(process.communicate)
    assert EMAIL not in told
    assert "1234" not in told
    assert "Traceback" not in told


def test_a_librarys_message_stays_on_its_line() -> None:
    record = logging.LogRecord("uvicorn", logging.WARNING, __file__, 1, "x\x9b31m\x85FORGED\nline", None, None)
    (line,) = _TextFormatter().format(record).splitlines()
    assert line.endswith(r"x\u009b31m\u0085FORGED\nline")
