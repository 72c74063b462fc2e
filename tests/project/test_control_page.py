"""docs/control.md: its settings, calls, messages, commands and tables, tried against the sandbox."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import mcp_types as types
import pytest
from mcp import Client

from customerio_track_mcp.cli.main import main
from customerio_track_mcp.control.confirmation import Confirmation
from customerio_track_mcp.control.dry_run import DryRun
from customerio_track_mcp.control.once.idempotency_keys import IdempotencyKeys
from customerio_track_mcp.control.once.joining import Joining
from customerio_track_mcp.control.once.resend_memory import ResendMemory
from customerio_track_mcp.control.pause import Pause
from customerio_track_mcp.control.policy import Policy
from customerio_track_mcp.control.quotas.control import Quotas
from customerio_track_mcp.control.summary import report_lines
from customerio_track_mcp.controls import open_controls
from customerio_track_mcp.http.auth.static_tokens import StaticTokens
from customerio_track_mcp.instrumentation.write_outcomes import WriteOutcome
from customerio_track_mcp.runtime import open_runtime
from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.upstream import Upstream
from tests.support.documents import CONTROL_VARIABLES, DOCUMENTS, blocks, section
from tests.support.http_service import message_in, running_service
from tests.support.scripted_server import ScriptedServer, close

PAGE: Final = DOCUMENTS["docs/control.md"]
ULID: Final = re.compile(r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b")
EVENT: Final = {"customer_id": "1042", "event_name": "purchase"}
FOLDERS: Final = ("/run/customerio-track-mcp", "/var/lib/customerio-track-mcp")
"""Folders of the page, in whose place the test has its own."""


def without_ids(text: str) -> str:
    """Return a text in which every ULID is the same: each run has other ones."""
    return ULID.sub("ULID", text)


def placed(text: str, folder: Path) -> str:
    """Return a text of the page with a folder of the test in place of the page's."""
    for documented in FOLDERS:
        text = text.replace(documented, str(folder))
    return text


def use_settings(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables of a block of the page."""
    lines = placed(text, folder).splitlines()
    assert {line.partition("=")[0] for line in lines} <= set(CONTROL_VARIABLES)
    for line in lines:
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value)


class Person:
    """Declines each question.

    Attributes:
        questions: what was asked.
    """

    def __init__(self) -> None:
        self.questions: list[str] = []

    async def __call__(self, context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
        del context
        self.questions.append(params.message)
        return types.ElicitResult(action="decline")


@asynccontextmanager
async def connected(track_url: str, person: Person | None = None, **overrides: Any) -> AsyncIterator[Client]:
    """Connect a client to a server with the settings of the environment."""
    settings = Settings.from_environment(api_key="sandbox:sandbox", track_url=track_url, **overrides)
    async with (
        open_runtime(Upstream(settings, track_url)) as runtime,
        Client(runtime.server, elicitation_callback=person) as client,
    ):
        yield client


async def text_of(client: Client, tool: str, arguments: dict[str, Any]) -> str:
    """Return the message or the error of a call."""
    payload = (await client.call_tool(tool, arguments)).structured_content
    return str(payload["message"] or payload["error"])


@pytest.mark.parametrize(
    ("heading", "tool"),
    [
        ("## Dry run", "send_event"),
        ("## Allow lists", "send_event"),
        ("## Maxima per hour", "add_customers_to_segment"),
        ("## Pause file", "send_event"),
        ("## Confirmation", "send_event"),
    ],
)
async def test_documented_calls_return_the_documented_results(
    heading: str, tool: str, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = section(heading, PAGE)
    use_settings(blocks(text, "text")[0], tmp_path, monkeypatch)
    for reason in re.findall(r"^echo '(.+)' > \S+/pause$", text, re.MULTILINE):
        (tmp_path / "pause").write_text(f"{reason}\n", encoding="utf-8")
    arguments, documented = (json.loads(block) for block in blocks(text, "json"))
    person = Person()
    async with connected(sandbox.url, person) as client:
        result = await client.call_tool(tool, arguments)
    assert without_ids(json.dumps(result.structured_content)) == without_ids(json.dumps(documented))
    assert person.questions == re.findall(r"^> (.+)$", text, re.MULTILINE)
    assert not sandbox.workspace.events


async def test_joined_calls_get_the_documented_message(sandbox: RunningSandbox) -> None:
    (documented,) = blocks(section("### Identical calls in flight", PAGE), "text")
    texts: list[str] = []

    async def call(client: Client) -> None:
        texts.append(without_ids(await text_of(client, "send_event", EVENT)))

    async with connected(sandbox.url) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(call, client)
        tasks.start_soon(call, client)
    assert without_ids(documented.strip()) in texts
    assert len(sandbox.workspace.events) == 1


async def test_repeated_calls_get_the_documented_messages() -> None:
    documented = [block.strip() for block in blocks(section("### Undelivered results", PAGE), "text")]
    async with ScriptedServer() as server:
        server.acts = [close]
        async with connected(server.url, max_attempts=1) as client:
            texts = [await text_of(client, "send_event", EVENT) for _ in documented]
        assert len({request.json["id"] for request in server.requests}) == 1
    assert [without_ids(text) for text in texts] == [without_ids(text) for text in documented]


async def test_keys_in_meta_and_in_the_header_name_the_same_event(
    sandbox: RunningSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    text = section("### Idempotency keys", PAGE)
    (example,), (command,) = blocks(text, "python"), blocks(text, "console")
    async with running_service(sandbox.url) as http:
        source = example.replace("http://127.0.0.1:8000", str(http.base_url).rstrip("/"))
        code = compile(source, "docs/control.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        await eval(code, {})  # noqa: S307
        event_id = capsys.readouterr().out.strip()
        curl, url, *options = shlex.split(command.replace("\\\n", " "))
        assert (curl, url) == ("curl", "http://127.0.0.1:8000/mcp")
        given = list(zip(options[::2], options[1::2], strict=True))
        headers = dict(value.split(": ") for option, value in given if option == "--header")
        (body,) = [value for option, value in given if option == "--data"]
        meta = message_in(await http.post("/mcp", content=body, headers=headers))["result"]["_meta"]
    assert meta["customerio-track-mcp/event-id"] == event_id
    names = {
        f"customerio-track-mcp/{name}" for name in re.findall(r"`([\w-]+)`", section("### Metadata of a result", PAGE))
    }
    assert {name for name in meta if name.startswith("customerio-track-mcp/")} <= names
    assert [event.name for event in sandbox.workspace.events] == ["purchase"]


def test_check_reports_the_documented_controls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings, documented = blocks(PAGE.split("\n## ")[0], "text")
    use_settings(settings, tmp_path, monkeypatch)
    assert report_lines(Settings.from_environment()) == placed(documented, tmp_path).splitlines()


def test_log_prints_the_documented_summary(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = section("## Write log", PAGE)
    (lines,) = blocks(text, "json")
    (tmp_path / "writes.jsonl").write_text(lines, encoding="utf-8")
    (command,) = blocks(text, "console")
    assert main(shlex.split(placed(command, tmp_path))[1:]) == 0
    _, summary, _ = blocks(text, "text")
    assert capsys.readouterr().out == summary


def test_the_page_lists_every_outcome_of_the_write_log() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ", section("## Write log", PAGE), re.MULTILINE)
    assert rows.pop(0) == "outcome"
    assert sorted(rows) == sorted(WriteOutcome)


def test_the_page_names_every_setting() -> None:
    assert {name for name in CONTROL_VARIABLES if name not in PAGE} == set()


def test_the_documented_restrictions_of_a_token_are_valid(tmp_path: Path) -> None:
    (line,) = blocks(section("### Callers of the HTTP service", PAGE), "text")
    (tmp_path / "tokens").write_text(line, encoding="utf-8")
    StaticTokens(None, tmp_path / "tokens")


def test_folders_of_the_page_are_replaced() -> None:
    """A test must not touch the folders of the machine."""
    paths = re.findall(r"^CUSTOMERIO_\w+=(/\S+)$", PAGE, re.MULTILINE)
    assert {os.path.dirname(path) for path in paths} == set(FOLDERS)  # noqa: PTH120 - as on POSIX


async def test_the_table_of_controls_has_their_order(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    classes = {
        Pause: "Pause file",
        Policy: "Allow lists",
        IdempotencyKeys: "Idempotency keys",
        Joining: "Calls in flight",
        ResendMemory: "Resend memory",
        Confirmation: "Confirmation",
        Quotas: "Maxima per hour",
        DryRun: "Dry run",
    }
    use_settings(blocks(PAGE.split("\n## ")[0], "text")[0], tmp_path, monkeypatch)
    settings = Settings.from_environment(api_key="sandbox:sandbox", track_url=sandbox.url, dry_run=True)
    async with open_controls(Upstream(settings, sandbox.url)) as controls:
        names = list(dict.fromkeys(classes[type(control)] for control in controls))
    assert re.findall(r"^\| \[(.+?)\]\(#", section("## Order", PAGE), re.MULTILINE) == names
