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

from customerio_track_mcp.http.auth.scopes import METRICS_SCOPE, SCOPE_OF_TOOL
from customerio_track_mcp.http.auth.static_tokens import StaticTokens
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.tools.handlers import Tools
from customerio_track_mcp.track import TrackClient
from customerio_track_mcp.track.validation.reserved_keys import RESERVED_KEYS

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
    tools = Tools(client)
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


@pytest.mark.parametrize("name", ["README.md", "SECURITY.md", "docs/deploy.md", "docs/sandbox.md"])
def test_links_lead_to_files_and_headings_that_exist(name: str) -> None:
    document = ROOT / name
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", document.read_text(encoding="utf-8"))
    for link in links:
        path, _, heading = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE) if heading else []
        assert not heading or heading in {re.sub(r"[^\w -]", "", told).lower().replace(" ", "-") for told in headings}


def test_the_documents_set_only_what_exists() -> None:
    known = set(VARIABLES) | set(HTTP_VARIABLES) | {"CUSTOMERIO_SECRETS_DIR", "CUSTOMERIO_"}
    for name in ("README.md", "SECURITY.md", "docs/deploy.md", "docs/sandbox.md", ".env.example"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert set(re.findall(r"\bCUSTOMERIO_[A-Z_]*", text)) <= known, name


def test_the_deployment_guide_gives_commands_and_tokens_that_work(tmp_path: Path) -> None:
    (tokens,) = [block for block in blocks(DEPLOY, "text") if "# NAME" in block]
    (tmp_path / "tokens").write_text(tokens, encoding="utf-8")
    StaticTokens(None, tmp_path / "tokens")
    for line in blocks(DEPLOY, "json"):
        json.loads(line)
    commands = re.findall(r"^customerio-track-mcp (.+?)(?: +#.*)?$", "\n".join(blocks(DEPLOY, "console")), re.MULTILINE)
    assert {command.split()[0] for command in commands} <= {"http", "token"}
    assert commands


def test_the_rows_of_the_scopes_table_are_the_scopes() -> None:
    rows = dict(re.findall(r"^\| `(\w+:\w+)` \| `([\w/]+)`", DEPLOY, re.MULTILINE))
    assert rows == {scope: tool for tool, scope in SCOPE_OF_TOOL.items()} | {METRICS_SCOPE: "/metrics"}
