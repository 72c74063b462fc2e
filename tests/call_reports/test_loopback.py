"""Reports to a sandbox in another process: delivered in the background, and to nothing but a sandbox."""

from __future__ import annotations

import json
import socket
import ssl
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
import trustme

from customerio_track_mcp.call_reports import loopback
from customerio_track_mcp.call_reports.correlation import CALL_HEADER
from customerio_track_mcp.call_reports.encoding import MAX_REPORT_BYTES
from customerio_track_mcp.sandbox.records import ToolCall, instance_of
from tests.support.http_service import message_in, running_service
from tests.support.raw_messages import LEGACY, MODERN, headers_of, raw_call
from tests.support.reporting import EVENT, as_sandbox, reporting, reports_in, track_requests_in
from tests.support.scripted_server import Act, Flood, ScriptedServer, close, hang, reset, respond, respond_when
from tests.support.waiting import wait_until

IDENTIFY: Final = "/_sandbox"
REPORT: Final = "/_sandbox/calls"
CERTIFICATE_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
CUSTOMER: Final = {"customer_id": "1", "email": "ann@example.com"}


@pytest.fixture
async def sandbox_server(scripted: ScriptedServer) -> ScriptedServer:
    """A server that responds as a sandbox."""
    scripted.otherwise = as_sandbox(scripted)
    return scripted


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once after a failure."""
    monkeypatch.setattr(loopback, "_SECONDS_BETWEEN_FAILURES", 0.01)


def targets(server: ScriptedServer) -> list[str]:
    return [request.target for request in server.requests if request.target.startswith("/_sandbox")]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_last_call_of_a_short_session_is_reported(sandbox_server: ScriptedServer, mode: str) -> None:
    async with reporting(sandbox_server.url, mode=mode) as client:
        result = await client.call_tool("send_event", dict(EVENT))
    (report,) = reports_in(sandbox_server)
    assert instance_of(ToolCall, report).outcome == "ok"
    assert (report["arguments"], report["result"]) == (EVENT, result.structured_content)
    (request,) = track_requests_in(sandbox_server)
    assert request.headers[CALL_HEADER.lower()] == report["id"]
    assert targets(sandbox_server) == [IDENTIFY, REPORT]


async def test_reports_use_one_connection_on_which_the_sandbox_identifies_itself_once(
    sandbox_server: ScriptedServer,
) -> None:
    async with reporting(sandbox_server.url) as client:
        for number in range(5):
            await client.call_tool("send_event", EVENT | {"data": {"number": number}})
    assert targets(sandbox_server) == [IDENTIFY, *[REPORT] * 5]
    assert [report["arguments"]["data"]["number"] for report in reports_in(sandbox_server)] == [0, 1, 2, 3, 4]
    assert sandbox_server.connections == 2  # one of them is for the Track API


@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize(
    "identity",
    [
        respond(404, "{}"),
        respond(200, "{}"),
        respond(200, "customerio-track-mcp sandbox"),
        respond(200, '["customerio-track-mcp sandbox"]'),
        respond(200, '{"name": "another sandbox"}'),
        respond(500, '{"name": "customerio-track-mcp sandbox"}'),
        respond(302, "", Location="/_sandbox/elsewhere"),
        respond(200, b"x" * 1_000_000),
        respond(200, b"\xff"),
        hang,
        close,
        reset,
    ],
)
async def test_arguments_are_never_posted_to_what_is_not_a_sandbox(scripted: ScriptedServer, identity: Act) -> None:
    async def act(reader: Any, writer: Any) -> None:
        await (identity if scripted.requests[-1].target == IDENTIFY else respond(200, "{}"))(reader, writer)

    scripted.otherwise = act
    async with reporting(scripted.url) as client:
        await client.call_tool("create_or_update_customer", dict(CUSTOMER))
        await wait_until(lambda: len(targets(scripted)) > 1)
    assert set(targets(scripted)) == {IDENTIFY}
    assert all(request.body == b"" for request in scripted.requests if request.target == IDENTIFY)


async def test_no_more_than_the_beginning_of_an_endless_response_is_received(scripted: ScriptedServer) -> None:
    flood = Flood(b"HTTP/1.1 200 OK\r\nContent-Length: 64000000\r\n\r\n", b"x" * 65_536)

    async def act(reader: Any, writer: Any) -> None:
        await (flood if scripted.requests[-1].target == IDENTIFY else respond(200, "{}"))(reader, writer)

    scripted.otherwise = act
    async with reporting(scripted.url) as client:
        await client.call_tool("create_or_update_customer", dict(CUSTOMER))
        await scripted.client_left.wait()
    assert flood.sent < 32_000_000
    assert REPORT not in targets(scripted)


@pytest.mark.usefixtures("no_pause")
async def test_another_program_at_the_address_of_the_sandbox_gets_no_report() -> None:
    async with ScriptedServer() as first:
        first.otherwise = as_sandbox(first)
        port = int(first.url.rpartition(":")[2])
        context = reporting(first.url, max_attempts=1)
        client = await context.__aenter__()
        await client.call_tool("create_or_update_customer", dict(CUSTOMER))
        await wait_until(lambda: REPORT in targets(first))
    async with ScriptedServer(port=port) as other:
        other.otherwise = respond(200, "{}")
        await client.call_tool("create_or_update_customer", dict(CUSTOMER))
        await wait_until(lambda: len(targets(other)) >= 3)
        assert set(targets(other)) == {IDENTIFY}
        await context.__aexit__(None, None, None)
    assert reports_in(other) == []


@pytest.mark.usefixtures("no_pause")
async def test_reports_wait_for_a_sandbox_that_restarts() -> None:
    async with ScriptedServer() as first:
        first.otherwise = as_sandbox(first)
        port = int(first.url.rpartition(":")[2])
        context = reporting(first.url, max_attempts=1)
        client = await context.__aenter__()
        await client.call_tool("create_or_update_customer", dict(CUSTOMER))
        await wait_until(lambda: REPORT in targets(first))
    for _ in range(2):
        result = await client.call_tool("create_or_update_customer", dict(CUSTOMER))
        assert result.is_error
    async with ScriptedServer(port=port) as second:
        second.otherwise = as_sandbox(second)
        await wait_until(lambda: len(reports_in(second)) == 2)
        await context.__aexit__(None, None, None)
    assert [report["outcome"] for report in reports_in(second)] == ["unavailable"] * 2


async def test_calls_do_not_wait_for_the_sandbox_to_take_reports(scripted: ScriptedServer) -> None:
    accepted = anyio.Event()
    scripted.otherwise = as_sandbox(scripted, respond_when(accepted))
    async with reporting(scripted.url) as client:
        for number in range(20):
            result = await client.call_tool("send_event", EVENT | {"data": {"number": number}})
            assert result.structured_content["success"]
        assert len(reports_in(scripted)) <= 1
        accepted.set()
        await wait_until(lambda: len(reports_in(scripted)) == 20)


async def test_a_server_ends_although_the_sandbox_does_not_respond(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loopback, "_CLOSE_TIMEOUT", 0.05)
    scripted.otherwise = as_sandbox(scripted, hang)
    with anyio.fail_after(60):
        async with reporting(scripted.url) as client:
            await client.call_tool("send_event", dict(EVENT))
        await scripted.client_left.wait()


async def test_a_server_whose_sandbox_is_gone_ends_without_waiting_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loopback, "_CLOSE_TIMEOUT", 3600)
    monkeypatch.setattr(loopback, "_SECONDS_BETWEEN_FAILURES", 3600)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with anyio.fail_after(60):
        async with reporting(url, max_attempts=1) as client:
            assert (await client.call_tool("send_event", dict(EVENT))).is_error


@pytest.mark.usefixtures("no_pause")
async def test_a_report_without_a_response_is_sent_once_more_before_the_next_ones(scripted: ScriptedServer) -> None:
    scripted.otherwise = as_sandbox(scripted, reset)
    async with reporting(scripted.url) as client:
        await client.call_tool("send_event", EVENT | {"data": {"number": 1}})
        await wait_until(lambda: REPORT in targets(scripted))
        scripted.otherwise = as_sandbox(scripted)
        await client.call_tool("send_event", EVENT | {"data": {"number": 2}})
    assert [report["arguments"]["data"]["number"] for report in reports_in(scripted)] == [1, 1, 2]


@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_a_report_that_is_too_long_has_a_note_instead_of_the_arguments(
    sandbox_server: ScriptedServer, version: str
) -> None:
    text = "é" * (MAX_REPORT_BYTES // 2)
    arguments = json.dumps(EVENT | {"data": {"text": text}}, ensure_ascii=False)
    async with running_service(sandbox_server.url, is_sandbox=True, max_body_bytes=2**22) as http:
        message = raw_call(version, arguments)
        response = await http.post("/mcp", content=message, headers=headers_of(version))
        assert message_in(response)["result"]["isError"]
    (report,) = reports_in(sandbox_server)
    assert report["arguments"].startswith("(not reported: the report has 1049")
    assert report["arguments"].endswith(f"bytes, and the maximum is {MAX_REPORT_BYTES})")
    assert report["outcome"] == "invalid_arguments"
    instance_of(ToolCall, report)


@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_arguments_that_are_not_valid_json_are_reported_as_far_as_possible(
    sandbox_server: ScriptedServer, version: str
) -> None:
    async with running_service(sandbox_server.url, is_sandbox=True) as http:
        for name in ('"\\ud800"', '"\\u0000"', "1e999", "NaN", "[" * 400 + "]" * 400, "9" * 5000):
            content = raw_call(version, f'{{"customer_id":"1","event_name":{name}}}')
            await http.post("/mcp", content=content, headers=headers_of(version))
    reports = reports_in(sandbox_server)
    assert len(reports) == 6
    for report in reports:
        instance_of(ToolCall, report)
        assert report["outcome"] == "invalid_arguments"


async def test_a_call_that_the_sandbox_rejects_is_reported_without_arguments(scripted: ScriptedServer) -> None:
    async def accept_short(reader: Any, writer: Any) -> None:
        is_valid = isinstance(scripted.requests[-1].json["arguments"], str)
        await respond(200 if is_valid else 400, "{}")(reader, writer)

    scripted.otherwise = as_sandbox(scripted, accept_short)
    async with reporting(scripted.url) as client:
        await client.call_tool("send_event", dict(EVENT))
    assert [report["arguments"] for report in reports_in(scripted)] == [
        EVENT,
        "(not reported: the sandbox does not accept them)",
    ]


async def test_a_call_that_the_sandbox_rejects_even_so_does_not_stop_the_next_ones(scripted: ScriptedServer) -> None:
    async def reject_first(reader: Any, writer: Any) -> None:
        is_first = scripted.requests[-1].json["id"] == reports_in(scripted)[0]["id"]
        await respond(400 if is_first else 200, "{}")(reader, writer)

    scripted.otherwise = as_sandbox(scripted, reject_first)
    async with reporting(scripted.url) as client:
        for number in range(2):
            await client.call_tool("send_event", EVENT | {"data": {"number": number}})
    rejected, without_arguments, accepted = reports_in(scripted)
    assert rejected["id"] == without_arguments["id"] != accepted["id"]


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
async def test_reports_over_tls_trust_the_certificates_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in CERTIFICATE_VARIABLES:
        monkeypatch.delenv(name, raising=False)  # the developer's
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with ScriptedServer(context) as server:
        server.otherwise = as_sandbox(server)
        async with reporting(server.url, max_attempts=1) as client:
            assert (await client.call_tool("create_or_update_customer", dict(CUSTOMER))).is_error
        assert server.requests == []
        monkeypatch.setenv(variable, str(tmp_path / "authority.pem"))
        async with reporting(server.url) as client:
            assert not (await client.call_tool("create_or_update_customer", dict(CUSTOMER))).is_error
        assert targets(server) == [IDENTIFY, REPORT]


async def test_reports_ignore_the_proxies_of_the_environment(
    sandbox_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ScriptedServer() as proxy:
        for name in ("HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        async with reporting(sandbox_server.url) as client:
            await client.call_tool("send_event", dict(EVENT))
        assert proxy.requests == []
    assert len(reports_in(sandbox_server)) == 1


async def test_a_dry_run_sends_nothing_to_the_sandbox(sandbox_server: ScriptedServer) -> None:
    async with reporting(sandbox_server.url, dry_run=True) as client:
        assert not (await client.call_tool("send_event", dict(EVENT))).is_error
    assert sandbox_server.requests == []


async def test_failures_are_logged_for_debugging_without_personal_data(
    scripted: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG", logger="customerio_track_mcp"):
        async with reporting(scripted.url) as client:
            await client.call_tool("create_or_update_customer", dict(CUSTOMER))
    records = [vars(record) for record in caplog.records if record.levelname == "DEBUG"]
    assert [record["error"] for record in records if record["msg"] == "call reports delayed"] == ["NoSandboxError"]
    assert [record["reports"] for record in records if record["msg"] == "call reports lost"] == [1]
    assert "ann@example.com" not in str([vars(record) for record in caplog.records])
