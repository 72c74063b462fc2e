"""The lines of the write log, of calls to a real Track API's stand-ins."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import Client
from mcp_types import Implementation

from customerio_track_mcp.cli.main import main
from customerio_track_mcp.instrumentation.calls import CallContext, Caller, CallRecord, ConfirmedBy, calling
from customerio_track_mcp.instrumentation.write_log import _fields, _line, require_write_log
from customerio_track_mcp.runtime import open_runtime
from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.upstream import Upstream
from tests.support.documents import PRIVACY, section
from tests.support.http_service import TOKEN, bearer, call, payload_in, running_service
from tests.support.scripted_server import ScriptedServer, hang, respond

KEY: Final = "sandbox:sandbox"


def lines_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


@asynccontextmanager
async def client_of(url: str, log: Path, mode: str = "legacy", **settings: Any) -> AsyncIterator[Client]:
    """Connect a client to a server whose write log is at `log`; it is complete when the block has ended."""
    upstream = Upstream(Settings(**{"api_key": KEY, "log_hash_key": "key"} | settings, write_log=log), url)
    async with (
        open_runtime(upstream) as runtime,
        Client(runtime.server, mode=mode, client_info=Implementation(name="A host", version="1.2")) as client,
    ):
        yield client


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_each_valid_call_leaves_a_line(sandbox: RunningSandbox, tmp_path: Path, mode: str) -> None:
    before = datetime.now(UTC)
    async with client_of(sandbox.url, tmp_path / "log", mode) as client:
        await client.call_tool("create_or_update_customer", {"customer_id": "ann-1", "email": "ann@example.com"})
        await client.call_tool("send_event", {"customer_id": "ann-1", "event_name": "a b", "data": {"order": "A-17"}})
        await client.call_tool("send_event", {"customer_id": "ann-1"})
        await client.call_tool("add_customers_to_segment", {"segment_id": "1", "customer_ids": ["ann-1", "bob-2"]})
    lines = lines_in(tmp_path / "log")
    for line in lines:
        assert before.isoformat() <= line.pop("time") <= datetime.now(UTC).isoformat()
        assert line.pop("ms") > 0
        assert re.fullmatch("[0-9a-f]{32}", line.pop("request_id"))
    event_id = lines[1]["event_id"]
    assert [event.id for event in sandbox.workspace.events] == [event_id]
    common = {"outcome": "accepted", "client": "A host", "client_version": "1.2", "attempts": 1, "sandbox": True}
    ann = hmac.new(b"key", b"ann-1", hashlib.sha256).hexdigest()[:16]
    assert lines == [
        common | {"tool": "create_or_update_customer", "person": ann, "people": 1},
        common | {"tool": "send_event", "person": ann, "people": 1, "event": "a b", "event_id": event_id},
        common | {"tool": "add_customers_to_segment", "people": 2, "segment": "1"},
    ]
    content = (tmp_path / "log").read_text()
    assert not any(text in content for text in ("ann", "bob", "A-17", "example.com"))


async def test_call_that_nobody_confirmed_can_be_found(sandbox: RunningSandbox, tmp_path: Path) -> None:
    asking = {"confirm": "send_event", "confirm_fallback": "allow"}
    async with client_of(sandbox.url, tmp_path / "log", **asking) as client:
        await client.call_tool("send_event", {"customer_id": "1", "event_name": "bought"})
        await client.call_tool("add_customers_to_segment", {"segment_id": "1", "customer_ids": ["1"]})
    assert [line.get("confirmed_by") for line in lines_in(tmp_path / "log")] == ["nobody", None]


async def test_people_in_clear(sandbox: RunningSandbox, tmp_path: Path) -> None:
    async with client_of(sandbox.url, tmp_path / "log", write_log_identifiers="clear") as client:
        await client.call_tool("send_event", {"customer_id": "ann@example.com", "event_name": "bought"})
        await client.call_tool("add_customers_to_segment", {"segment_id": "1", "customer_ids": ["bob-2"]})
    first, second = lines_in(tmp_path / "log")
    assert first["person"] == "ann@example.com"
    assert "person" not in second
    assert "bob" not in str(second)


async def test_canceled_call_that_may_have_been_carried_out_is_unknown(
    scripted: ScriptedServer, tmp_path: Path
) -> None:
    scripted.acts = [hang]
    async with client_of(scripted.url, tmp_path / "log") as client:
        with anyio.move_on_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.call_tool, "send_event", {"customer_id": "1", "event_name": "bought"})
                await scripted.received.wait()
                tasks.cancel_scope.cancel()
    (line,) = lines_in(tmp_path / "log")
    assert (line["outcome"], line["code"], line["attempts"]) == ("unknown", "cancelled", 1)


async def test_rejected_and_failed_calls_have_their_code(scripted: ScriptedServer, tmp_path: Path) -> None:
    async with client_of(scripted.url, tmp_path / "log", max_attempts=1) as client:
        for status in (400, 401, 429, 503):
            scripted.acts = [respond(status, "{}")]
            await client.call_tool("send_event", {"customer_id": "1", "event_name": "bought"})
    assert [(line["outcome"], line.get("code")) for line in lines_in(tmp_path / "log")] == [
        ("rejected", None),
        ("rejected", "unauthorized"),
        ("failed", "rate_limited"),
        ("unknown", "unavailable"),
    ]


async def test_callers_over_http_and_what_they_may_not_use(sandbox: RunningSandbox, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with running_service(sandbox.url, {"write_log": log}, tokens=f"ann {TOKEN} events:write") as http:
        headers = bearer(TOKEN) | {"X-Request-ID": "from-the-proxy"}
        assert payload_in(await http.post("/mcp", json=call(), headers=headers))["success"]
        refused = call("add_customers_to_segment", segment_id="1", customer_ids=["1"])
        await http.post("/mcp", json=refused, headers=headers)
    sent, *others = lines_in(log)
    assert (sent["caller"], sent["request_id"], sent["outcome"]) == ("ann", "from-the-proxy", "accepted")
    assert "client" not in sent  # protocol 2025-11-25 without a session
    assert [(line["outcome"], line["code"], "people" in line) for line in others] == [("refused", "forbidden", False)]


@pytest.mark.parametrize(("mode", "named"), [("legacy", False), ("auto", True)])
async def test_clients_of_the_newer_protocol_name_themselves_over_http(
    sandbox: RunningSandbox, tmp_path: Path, mode: str, named: bool
) -> None:
    async with running_service(sandbox.url, {"write_log": tmp_path / "log"}) as http:
        info = Implementation(name="A host", version="1.2")
        async with Client(f"{http.base_url}/mcp", mode=mode, client_info=info) as client:
            await client.call_tool("send_event", {"customer_id": "1", "event_name": "bought"})
    (line,) = lines_in(tmp_path / "log")
    assert (line.get("client"), line.get("client_version")) == (("A host", "1.2") if named else (None, None))


async def test_lost_calls_are_counted_and_succeed(sandbox: RunningSandbox, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    async with running_service(sandbox.url, {"write_log": folder / "log"}) as http:
        (folder / "log").unlink()
        folder.rmdir()
        for _ in range(2):
            assert payload_in(await http.post("/mcp", json=call()))["success"]
        with anyio.fail_after(20):
            while "customerio_track_mcp_write_log_lost_total 2.0\n" not in (await http.get("/metrics")).text:
                await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("name", ["missing/log", "folder", "link", "fifo"])
async def test_unusable_file_is_a_settings_error(sandbox: RunningSandbox, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SettingsError, match=r"^CUSTOMERIO_WRITE_LOG: .+ cannot be written: .+; name a file in"):
        async with client_of(sandbox.url, tmp_path / name):
            pass
    assert not (tmp_path / "elsewhere").exists()


def test_unusable_file_is_reported_before_workers_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CUSTOMERIO_API_KEY", "site:key")
    monkeypatch.setenv("CUSTOMERIO_WRITE_LOG", str(tmp_path))
    assert main(["http", "--port", "0", "--workers", "2"]) == 2
    assert capsys.readouterr().err == (
        f"customerio-track-mcp: CUSTOMERIO_WRITE_LOG: {tmp_path} cannot be written: Is a directory; name a file in an "
        "existing folder in which this user may create files\n"
    )


@pytest.mark.parametrize("path", ["log", "./log", "../log", "~nobody-has-this-name/log", " ", "/", "C:log"])
def test_path_must_be_absolute(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("CUSTOMERIO_WRITE_LOG", path)
    with pytest.raises(SettingsError, match=r"^CUSTOMERIO_WRITE_LOG: (expected the absolute path|its home directory)"):
        Settings.from_environment()


def test_home_directory_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMERIO_WRITE_LOG", "~/log ")
    assert Settings.from_environment().write_log == Path.home() / "log"


@pytest.mark.parametrize(("mode", "warns"), [(0o600, False), (0o640, False), (0o604, True), (0o666, True)])
def test_file_that_others_can_access_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warns: bool
) -> None:
    (tmp_path / "log").touch()
    (tmp_path / "log").chmod(mode)
    require_write_log(tmp_path / "log")
    assert [record.getMessage() for record in caplog.records] == (
        ["every user of this machine has access to the write log: chmod it to 600"] if warns else []
    )


ANY_TEXT: Final = st.text(st.characters(exclude_categories=()))


@settings(max_examples=40)
@given(client=ANY_TEXT, version=ANY_TEXT, event=ANY_TEXT, person=st.text(), caller=ANY_TEXT)
def test_any_names_are_one_line_of_ascii(client: str, version: str, event: str, person: str, caller: str) -> None:
    context = CallContext("ok", person=person, people=1, event_name=event, client_name=client, client_version=version)
    with calling(Caller(caller)):
        line = _line(_fields(CallRecord("send_event", 0.1, context), None))
    assert line.endswith(b"\n")
    text = line[:-1].decode("ascii")
    assert text.isprintable() or "\x7f" in event + person + caller
    assert len(text) < 1000 + 12 * len(event + person + caller)
    read = json.loads(text)
    assert (read.get("event", ""), read.get("person", ""), read.get("caller", "")) == (event, person, caller)


def test_every_field_is_documented() -> None:
    context = CallContext(
        "unavailable",
        person="1",
        people=1,
        event_name="e",
        event_id="i",
        segment_id="1",
        is_joined=True,
        is_reused=True,
        client_name="c",
        client_version="1",
        confirmed_by=ConfirmedBy.PERSON,
    )
    with calling(Caller("ann")):
        fields = set(_fields(CallRecord("send_event", 0.1, context), b"key")) | {"sandbox", "lost"}
    table = section("### Write log", PRIVACY)
    documented = {
        name.strip("` ") for row in table.splitlines() if row.startswith("| `") for name in row.split("|")[1].split(",")
    }
    assert fields == documented
