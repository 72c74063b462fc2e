"""docs/troubleshooting.md has an entry for each message of the program, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from itertools import product
from typing import Final

import anyio
import pytest

from customerio_track_mcp.cli.main import main
from customerio_track_mcp.instrumentation.calls import Outcome
from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.settings.base import EnvironmentSettings
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.settings.server import Settings
from tests.support.documents import TROUBLESHOOTING, section
from tests.support.http_service import HEADERS, PING, TOKEN, bearer, running_service
from tests.support.source_messages import HOLE, PACKAGE, definitions, exempt, messages
from tests.support.track_errors import concrete_error_classes, refusal_classes

MESSAGES: Final = messages()
OF_OTHERS: Final = ("## Symptoms in a host",)
"""Sections about what hosts and package managers print."""
PARTS: Final = frozenset(
    {
        "Correct … and call again.",
        "Guide to the Customer.io tools",
        "Press Ctrl+C to stop the sandbox.",
        "Region of the workspace, … […]: ",
        "Sandbox or live workspace, what you may use, send and set, maxima, rate limit, retries.",
        "Tracking API key (not shown): ",
        "the Site ID and the Tracking API key are in …",
        "the entry of …",
        "the path is empty",
        "the path of this program",
        "the value of …",
        "What the tools do, limits, identity rules and reserved keys.",
        "What this server allows",
        "Keep the key in …? [Y/n] ",
        "a matcher such as !any",
        "all of them",
        "an array of strings",
        "an email address",
        "an invalid location",
        "create or read it",
        "install claude-desktop --sandbox",
        "number of workers",
        "pass another file, or one that does not exist yet",
        "restore a copy of it, or delete it to start empty",
        "sandbox Track API at … (no real data); open it in a browser to watch",
        "the Track API",
        "the Track API or something in front of it",
        "the calls of this caller",
        "the system's settings for …",
        "these as times",
        "this as a time",
        "workspace … in region …",
        "--tls: …",
        "… after ……",
        "…, with id_type 'cio_id'",
    }
)
"""Literals that are not messages by themselves, and what is not about a problem."""
INVALID_VALUES: Final = (
    *(" ", "x", "-1", "0", "0.5", "1e9", "inf", "a b", "site:key:"),
    *("${KEY}", "'key'", "Bearer key", "ftp://example.com", "https://example.com/?y"),
)
INVALID_COMMANDS: Final = ("nonsense", "http --nonsense", "token", "http --port", "http --workers 0")


def entries(text: str) -> list[str]:
    """Return the messages in the first columns of the tables of `text`."""
    cells = re.findall(r"^\| (`.+?`) (?<!\\)\|", text, re.MULTILINE)
    return [entry for cell in cells for entry in re.findall(r"`([^`]+)`", cell)]


def pattern(entry: str) -> re.Pattern[str]:
    """Return what `entry` matches; it must say enough to be about one message."""
    parts = entry.split(HOLE)
    assert sum(len(part.strip(" .;:,()")) for part in parts) >= 6, f"{entry}: too vague"
    return re.compile(".*?".join(map(re.escape, parts)))


ENTRIES: Final = {
    entry: pattern(entry)
    for heading in re.findall(r"^##+ .+$", TROUBLESHOOTING, re.MULTILINE)
    if heading not in (*OF_OTHERS, "## Results of a tool", "## Statuses of the HTTP service")
    for entry in entries(section(heading, TROUBLESHOOTING))
}


def has_entry(text: str) -> bool:
    return any(entry.search(text) for entry in ENTRIES.values())


def test_every_message_has_an_entry() -> None:
    assert [message for message in MESSAGES if message.text not in PARTS and not has_entry(message.text)] == []


def test_the_source_is_read() -> None:
    found = {message.text for message in MESSAGES}
    assert len(found) > 250
    for example in ("is blank", "the response (…) is not from the Track API: …", "tokens file: a line was left out"):
        assert example in found
    assert exempt() <= definitions()
    assert found >= PARTS


def test_every_entry_is_a_message_of_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    printed = {message.text for message in MESSAGES}
    printed |= {*problems_of_settings(Settings), *problems_of_settings(HttpSettings)}
    for arguments in INVALID_COMMANDS:
        with pytest.raises(SystemExit):
            main(arguments.split())
        printed.add(capsys.readouterr().err.splitlines()[-1])
    # "out of memory" is written as bytes, "cannot start" is an argument.
    for module in ("__main__.py", "cli/commands.py"):
        printed |= set((PACKAGE / module).read_text(encoding="utf-8").splitlines())
    assert [entry for entry, expected in ENTRIES.items() if not any(map(expected.search, printed))] == []


@cache
def problems_of_settings(settings: type[EnvironmentSettings]) -> list[str]:
    """Return what is printed for each setting with each of `INVALID_VALUES`."""
    problems: list[str] = []
    for field, value in product(settings.model_fields, INVALID_VALUES):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(settings.variable(field), value)
            try:
                settings.from_environment()
            except SettingsError as error:
                problems += error.problems
    return problems


@pytest.mark.parametrize("settings", [Settings, HttpSettings])
def test_what_an_invalid_setting_prints_has_an_entry(settings: type[EnvironmentSettings]) -> None:
    problems = problems_of_settings(settings)
    assert len({problem.partition(":")[0] for problem in problems}) >= len(settings.model_fields) / 2
    assert [problem for problem in problems if not has_entry(problem)] == []


@pytest.mark.parametrize(
    "settings",
    [
        {"API_KEY": "sandbox:sandbox"},
        {"API_KEY": "sandbox:sandbox", "REGION": "EU"},
        {"API_KEY": "sandbox:wrong"},
        {"API_KEY": "key-alone"},
        {"API_KEY": "sandbox:sandbox", "TRACK_URL": "http://127.0.0.1:9", "MAX_ATTEMPTS": "1"},
    ],
)
async def test_every_line_of_check_has_an_entry(
    sandbox: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: Mapping[str, str],
) -> None:
    for name, value in {"TRACK_URL": sandbox.url, **settings}.items():
        monkeypatch.setenv(f"CUSTOMERIO_{name}", value)
    await anyio.to_thread.run_sync(main, ["check"])
    lines = capsys.readouterr().out.splitlines()
    assert lines
    # A sentence there, the text of an error elsewhere.
    texts = [line.removeprefix("FAILED: ") for line in lines]
    assert [
        text for text in texts if not has_entry(f"FAILED: {text}") and not has_entry(text[0].lower() + text[1:])
    ] == []


def test_every_outcome_of_a_call_has_a_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ", section("## Results of a tool", TROUBLESHOOTING), re.MULTILINE)
    expected = {error.code for error in (*concrete_error_classes(), *refusal_classes())} | set(Outcome) - {Outcome.OK}
    assert set(rows) == expected
    assert len(rows) == len(expected)
    tables = section("### Requests", TROUBLESHOOTING) + section("### Refusals", TROUBLESHOOTING)
    named = re.findall(r"\| `(\w+)` \|$", tables, re.MULTILINE)
    assert set(named) == expected - set(Outcome) - {"invalid_arguments"}


STATUSES: Final = {
    int(status)
    for status in re.findall(
        r"^\| ([0-9]{3}) \| ", section("## Statuses of the HTTP service", TROUBLESHOOTING), re.MULTILINE
    )
}


def test_every_status_in_the_source_of_the_service_has_a_row() -> None:
    literals = {
        node.value
        for path in (PACKAGE / "http").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and type(node.value) is int and 400 < node.value < 512
    }
    assert {status for status in literals if status in list(HTTPStatus)} <= STATUSES
    assert len(STATUSES) >= 14


async def test_statuses_of_the_service_have_rows(sandbox: RunningSandbox) -> None:
    async with running_service(sandbox.url, tokens=f"ann {TOKEN}", max_body_bytes=2048) as http:
        headers = bearer(TOKEN)
        statuses = [
            (await http.post("/mcp", headers=HEADERS, json=PING)).status_code,
            (await http.post("/mcp", headers=headers | {"Origin": "https://elsewhere.example"}, json=PING)).status_code,
            (await http.post("/elsewhere", headers=headers, json=PING)).status_code,
            (await http.get("/mcp", headers=headers)).status_code,
            (await http.post("/mcp", headers=headers | {"Accept": "text/html"}, json=PING)).status_code,
            (await http.post("/mcp", headers=headers, content=b"x" * 4096)).status_code,
            (await http.post("/mcp", headers=headers | {"Content-Type": "text/plain"}, content=b"{}")).status_code,
            (await http.post("/mcp", headers=headers | {"Host": "elsewhere.example"}, json=PING)).status_code,
            (await http.post("/mcp", headers=headers, content=b"not JSON")).status_code,
        ]
    assert statuses[0] == 401
    assert set(statuses) <= STATUSES, statuses
    assert len(set(statuses)) >= 7, statuses
