"""docs/sandbox.md agrees with the sandbox and its page."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from typing import Any, Final

import httpx
import pytest
import yaml

from customerio_track_mcp import sandbox as library
from customerio_track_mcp.cli.parser import create_parser
from customerio_track_mcp.sandbox import RunningSandbox, SandboxHandle
from customerio_track_mcp.settings.server import Settings
from tests.support.documents import DOCUMENTS, ROOT, blocks, section

SANDBOX: Final = DOCUMENTS["docs/sandbox.md"]
PAGE: Final = ROOT / "server" / "customerio_track_mcp" / "sandbox" / "page"
FAULTS: Final = re.findall(r"^\| `(\{.+?\})` \|", section("### Faults", SANDBOX), re.MULTILINE)
ENDPOINTS: Final = re.findall(r"^\| `([A-Z]+) (\S+)` \|", section("## Endpoints", SANDBOX), re.MULTILINE)
(CALL,) = blocks(section("### Tool calls", SANDBOX), "json")
(SEGMENT,) = blocks(section("### Segments", SANDBOX), "json")


def test_commands_are_valid() -> None:
    parser = create_parser()
    lines = [shlex.split(line) for block in blocks(SANDBOX, "console") for line in block.splitlines()]
    assert [words[0] for words in lines] == ["customerio-track-mcp"] * len(lines)
    assert len(lines) >= 4
    for words in lines:
        parser.parse_args(words[1:])


def test_containers_are_started_with_valid_commands_and_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = (yaml.safe_load(block) for block in blocks(section("## Containers", SANDBOX), "yaml"))
    for service in example["services"].values():
        create_parser().parse_args(service["command"])
    sandbox, mcp = (example["services"][name] for name in ("sandbox", "mcp"))
    for name, value in mcp["environment"].items():
        monkeypatch.setenv(name, value)
    url = httpx.URL(str(Settings.from_environment(api_key=None).sandbox))
    assert url.host in example["services"]
    assert url.host == sandbox["command"][sandbox["command"].index("--allow-host") + 1]
    assert {port.rpartition(":")[0].rpartition(":")[0] for port in sandbox["ports"] + mcp["ports"]} == {"127.0.0.1"}


def test_python_example_runs() -> None:
    (program,) = blocks(section("## In Python", SANDBOX), "python")
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_every_property_and_method_is_listed() -> None:
    cells = re.findall(r"^\| (`.+?`) \| ", section("## In Python", SANDBOX), re.MULTILINE)
    names = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    public = {name for name in dir(SandboxHandle) if not name.startswith("_")}
    assert sorted(name for name in names if name not in library.__all__) == sorted(public)


def test_every_status_of_the_page_is_explained() -> None:
    source = (PAGE / "status.js").read_text(encoding="utf-8")
    words = re.findall(r'\bword: "(.+?)"', source)
    assert len(words) >= 8
    assert re.findall(r"^\| (.+?) \| ", section("## The page", SANDBOX), re.MULTILINE)[2:] == words


async def test_documented_endpoints_exist_and_no_other(sandbox: RunningSandbox) -> None:
    bodies: dict[str, str] = {"/_sandbox/faults": FAULTS[0], "/_sandbox/calls": CALL, "/_sandbox/segments": SEGMENT}
    async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as http:
        for method, path in ENDPOINTS:
            async with http.stream(method, path.replace("ID", "1"), content=bodies.get(path, "")) as response:
                # 404 is the response of a sandbox that cannot play the demo.
                assert response.is_success or path == "/_sandbox/demo", (method, path, response.status_code)
                assert response.status_code != httpx.codes.METHOD_NOT_ALLOWED
    source = (PAGE.parent / "admin.py").read_text(encoding="utf-8")
    routes = re.findall(r'router\.add_(\w+)\("([^"]+)"', source)
    assert {(method.upper(), re.sub(r"\{.+\}$", "ID", path)) for method, path in routes} == {
        (method, path) for method, path in ENDPOINTS if path != "/"
    }


@pytest.mark.parametrize("fault", FAULTS)
async def test_documented_fault_is_accepted(sandbox: RunningSandbox, fault: str) -> None:
    variants: list[dict[str, Any]] = [{}, {"count": 2, "operation": "track"}]
    async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as http:
        for more in variants:
            response = await http.post("/_sandbox/faults", json=json.loads(fault) | more)
            assert response.status_code == httpx.codes.OK, response.text
            assert set(response.json()) == documented_members("`POST /_sandbox/faults`")


async def test_documented_segment_is_added(sandbox: RunningSandbox) -> None:
    async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as http:
        response = await http.post("/_sandbox/segments", content=SEGMENT)
        assert response.json() == json.loads(SEGMENT) | {"members": []}
        assert set(response.json()) == documented_members("`POST /_sandbox/segments`")
        assert response.json() in (await http.get("/_sandbox/state")).json()["segments"]


def documented_members(row: str) -> set[str]:
    """Return the members of the JSON that a row of the endpoints' table shows."""
    (example,) = re.findall(rf"^\| {re.escape(row)} \| .*`(\{{.+\}})`", SANDBOX, re.MULTILINE)
    return set(json.loads(example.replace("[...]", "[]")))


async def test_documented_state_and_call_are_complete(sandbox: RunningSandbox) -> None:
    call = json.loads(CALL)
    async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as http:
        assert (await http.post("/_sandbox/calls", json=call)).status_code == httpx.codes.OK
        state: dict[str, Any] = (await http.get("/_sandbox/state")).json()
        assert set((await http.get("/_sandbox")).json()) == documented_members("`GET /_sandbox`")
        assert set((await http.get("/_sandbox/faults")).json()) == documented_members("`GET /_sandbox/faults`")
    assert state["calls"] == [call | {"number": 1}]
    assert {name for name in state if f"`{name}`" not in section("### State", SANDBOX)} == set()


def test_every_public_name_is_documented() -> None:
    documented = set(re.findall(r"`(\w+)`", section("## In Python", SANDBOX)))
    assert set(library.__all__) - documented == set()
