"""The published tools in the frameworks that convert them for model providers, and in FastMCP's command; a rehearsal
with one of them.

One of the frameworks needs another version of the SDK than the server, so they have an environment of their own. It is
created once, in the temporary directory. That needs the network: without it, the tests are skipped, unless
REQUIRE_CONVERTERS is set.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import pytest

from customerio_track_mcp.hosts.catalog import HOSTS
from customerio_track_mcp.hosts.entries import Entry
from customerio_track_mcp.hosts.locations import Machine
from tests.support.documents import DOCUMENTS, blocks, section
from tests.support.process import COMMAND, environment, run

FOLDER: Final = Path(__file__).parent
REQUIREMENTS: Final = FOLDER / "requirements.txt"
PARAMETERS: Final = {
    "create_or_update_customer": (["customer_id", "email", "created_at", "attributes"], ["customer_id", "email"]),
    "send_event": (["customer_id", "event_name", "event_type", "data"], ["customer_id", "event_name"]),
    "add_customers_to_segment": (["segment_id", "customer_ids", "id_type"], ["segment_id", "customer_ids"]),
}
"""By name of the tool: its parameters, and those that are required; OpenAI's strict mode requires all of them."""


def python_with_frameworks() -> Path:
    """Return the interpreter of the frameworks' environment, which is created first if necessary."""
    requirements = REQUIREMENTS.read_bytes() + sys.version.encode()
    folder = Path(tempfile.gettempdir()) / f"customerio-track-mcp-{hashlib.sha256(requirements).hexdigest()[:16]}"
    python, installed = folder / "bin" / "python", folder / "installed"
    if not installed.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, timeout=120)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--retries", "1", "--timeout", "15"]
        completed = subprocess.run(
            [*pip, "install", "--quiet", "--requirement", str(REQUIREMENTS)],
            capture_output=True,
            encoding="utf-8",
            timeout=900,
            check=False,
        )
        if completed.returncode != 0:
            if "REQUIRE_CONVERTERS" not in os.environ:
                pytest.skip("the frameworks cannot be installed")
            pytest.fail(completed.stderr)
        installed.touch()
    return python


@pytest.fixture(scope="module")
def converted() -> dict[str, dict[str, Any]]:
    """What each framework makes of the tools' parameters, by framework and tool."""
    env = environment(api_key="site:key") | {"DO_NOT_TRACK": "1", "OPENAI_AGENTS_DISABLE_TRACING": "1"}
    completed = subprocess.run(
        [str(python_with_frameworks()), str(FOLDER / "convert.py"), *COMMAND, "stdio"],
        env=env,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    schemas: dict[str, dict[str, Any]] = json.loads(completed.stdout)
    return schemas


@pytest.mark.parametrize("tool", PARAMETERS)
@pytest.mark.parametrize(
    "framework",
    [
        "google-genai",
        "langchain",
        "openai-agents",
        "openai-agents, strict",
        "pydantic-ai",
        "pydantic-ai, OpenAI",
        "pydantic-ai, Google",
    ],
)
def test_every_framework_converts_every_parameter(
    converted: dict[str, dict[str, Any]], framework: str, tool: str
) -> None:
    schema = converted[framework][tool]
    names, required = PARAMETERS[tool]
    assert list(schema["properties"]) == names
    assert set(required) <= set(schema["required"])
    assert all(parameter["description"] for parameter in schema["properties"].values())


@pytest.mark.parametrize(("tool", "parameter"), [("create_or_update_customer", "attributes"), ("send_event", "data")])
def test_no_framework_forbids_members_of_an_object(
    converted: dict[str, dict[str, Any]], tool: str, parameter: str
) -> None:
    """Otherwise, a model could pass nothing but an empty object."""
    for framework, schemas in converted.items():
        schema = schemas[tool]["properties"][parameter]
        assert schema["type"].lower() == "object"
        assert schema.get("additionalProperties", {}) is not False, framework


def test_fastmcp_finds_and_uses_the_file_of_claude_desktop(tmp_path: Path) -> None:
    host = HOSTS["claude-desktop"]
    file = host.user_file(Machine("linux", tmp_path, {}))
    file.parent.mkdir(parents=True)
    entry = Entry(COMMAND[0], [*COMMAND[1:], "stdio", "--sandbox"])
    file.write_text(host.format.put("", (host.servers_key, "track"), host.fields(entry)), encoding="utf-8")
    fastmcp = python_with_frameworks().with_name("fastmcp")
    completed = subprocess.run(
        [str(fastmcp), "call", "claude-desktop:track", "send_event", "customer_id=1", "event_name=purchase", "--json"],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    fields = json.loads(completed.stdout)["structured_content"]
    assert (fields["success"], fields["event_name"]) == (True, "purchase")


def test_the_documented_agent_of_pydantic_ai_passes_a_rehearsal(tmp_path: Path) -> None:
    """The example as it is, but for its model."""
    (example,) = blocks(section("## pydantic-ai", DOCUMENTS["docs/rehearse.md"]), "python")
    (model,) = (line for line in example.splitlines() if line.startswith("MODEL = "))
    agent = tmp_path / "my_agent.py"
    agent.write_text(example.replace(model, "from scripted_model import MODEL"), encoding="utf-8")
    shutil.copy(FOLDER / "scripted_model.py", tmp_path)
    command = f"{shlex.join([str(python_with_frameworks()), str(agent)])} {{config}} {{prompt}}"
    completed = run("rehearse", "consent", "--agent", command, "--json")
    (scenario,) = json.loads(completed.stdout)["scenarios"]
    assert (completed.returncode, scenario["passed"]) == (0, True), scenario
    assert "by hand" in scenario["agent"]["stdout"]
