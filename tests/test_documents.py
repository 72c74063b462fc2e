"""What the README and .env.example promise is what the code does."""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from customerio_track_mcp.http.settings import HttpSettings
from customerio_track_mcp.reserved_keys import RESERVED_KEYS
from customerio_track_mcp.settings import Settings
from customerio_track_mcp.tools import Tools
from customerio_track_mcp.track import TrackClient
from tests.outputs import Outputs

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ENV_EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
ULID = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b")
DEPLOY = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
VARIABLES = {Settings.variable(name): field for name, field in Settings.model_fields.items()}
HTTP_VARIABLES = {HttpSettings.variable(name): field for name, field in HttpSettings.model_fields.items()}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def section(heading: str, document: str = README) -> str:
    _, _, after = document.partition(f"\n{heading}\n")
    assert after, heading
    return re.split(r"\n#+ ", after)[0]


async def test_every_call_in_the_readme_is_answered_as_it_says(client: TrackClient) -> None:
    tools = Outputs(Tools(client))
    for heading, tool in (
        ("### create_or_update_customer", tools.create_or_update_customer),
        ("### send_event", tools.send_event),
        ("### add_customers_to_segment", tools.add_customers_to_segment),
        ("### A mistake, and what the model reads", tools.create_or_update_customer),
    ):
        arguments, documented = (json.loads(block) for block in blocks(section(heading), "json"))
        answered: dict[str, Any] = (await tool(arguments)).model_dump()
        assert ULID.sub("ULID", json.dumps(answered)) == ULID.sub("ULID", json.dumps(documented))


@pytest.mark.parametrize(
    ("table", "variables"), [(section("## Settings"), VARIABLES), (section("## Settings", DEPLOY), HTTP_VARIABLES)]
)
def test_the_settings_tables_name_every_setting_and_its_default(table: str, variables: dict[str, FieldInfo]) -> None:
    rows = dict(re.findall(r"^\| `(CUSTOMERIO_\w+)` \| ([^|]*?) ?\|", table, re.MULTILINE))
    assert list(rows) == list(variables)
    in_words = {
        "CUSTOMERIO_API_KEY": "required",
        "CUSTOMERIO_SITE_ID": "",
        "CUSTOMERIO_TRACK_URL": "the region's",
        "CUSTOMERIO_LOG_HASH_KEY": "from the API key",
        "CUSTOMERIO_HTTP_AUDIENCE": "the public URL",
    }
    for name, default in rows.items():
        assert default == in_words.get(name, shown(variables[name].default))


def shown(value: object) -> str:
    """A default as a table shows it."""
    match value:
        case SecretStr():
            return f"`{value.get_secret_value()}`"
        case bool():
            return f"`{str(value).lower()}`"
        case float():
            return f"`{value:g}`"
        case None | frozenset():
            return "none"
    return f"`{value}`"


def test_the_example_environment_names_every_setting_with_its_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    named = dict(re.findall(r"^#?(CUSTOMERIO_\w+)=(.*)$", ENV_EXAMPLE, re.MULTILINE))
    assert set(named) == set(VARIABLES) | set(HTTP_VARIABLES)
    (tmp_path / ".env").write_text(ENV_EXAMPLE.replace("#CUSTOMERIO_", "CUSTOMERIO_"), encoding="utf-8")
    monkeypatch.setenv("CUSTOMERIO_API_KEY", "key")
    as_the_file_says, http_as_the_file_says = Settings.from_environment(), HttpSettings.from_environment()
    (tmp_path / ".env").unlink()
    defaults = Settings.from_environment()
    assert http_as_the_file_says == HttpSettings.from_environment()
    assert as_the_file_says.model_dump(exclude={"track_url"}) == defaults.model_dump(exclude={"track_url"})
    assert as_the_file_says.base_url == defaults.base_url


def test_host_configurations_are_json_and_set_what_exists() -> None:
    configurations = [json.loads(block) for block in blocks(section("## Attach it to a host"), "json")]
    servers = [entry.get("mcpServers") or entry["servers"] for entry in configurations]
    assert len(servers) == 2
    for server in servers:
        assert server["customerio-track"]["command"].endswith("/.venv/bin/customerio-track-mcp")
        assert set(server["customerio-track"]["env"]) <= set(VARIABLES)
    (command,) = [block for block in blocks(section("## Attach it to a host"), "console") if "claude mcp add" in block]
    assert shlex.split(command)[:4] == ["claude", "mcp", "add", "customerio-track"]


def test_the_readme_names_every_reserved_key() -> None:
    assert {key for key in RESERVED_KEYS if f"`{key}`" not in section("## Limits")} == set()


def test_the_python_example_calls_what_exists() -> None:
    (example,) = blocks(README, "python")
    tree = ast.parse(example, type_comments=False, feature_version=(3, 11), mode="exec")
    called = {
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert called == {"identify", "track", "add_to_segment"}
    assert all(hasattr(TrackClient, name) for name in called)
