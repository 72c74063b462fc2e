"""The documents agree with the code."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from customerio_track_mcp import track
from customerio_track_mcp.cli.parser import create_parser
from customerio_track_mcp.http.auth.scopes import METRICS_SCOPE, SCOPE_OF_TOOL
from customerio_track_mcp.http.auth.static_tokens import StaticTokens
from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.tools.registry import TOOLS as REGISTERED_TOOLS
from customerio_track_mcp.track import RESERVED_KEYS, TrackClient
from tests.support.documents import (
    DEPLOY,
    DOCUMENTS,
    ENV_EXAMPLE,
    HTTP_VARIABLES,
    README,
    ROOT,
    SETTINGS,
    TOOLS,
    VARIABLES,
    blocks,
    section,
)
from tests.support.track_errors import concrete_error_classes

CLIENT_GUIDE = DOCUMENTS["docs/client.md"]
ULID = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b")


async def test_documented_calls_return_the_documented_results(client: TrackClient) -> None:
    handlers = ToolHandlers(client)
    examples = [
        (section("## create_or_update_customer", TOOLS), handlers.create_or_update_customer),
        (section("## send_event", TOOLS), handlers.send_event),
        (section("## add_customers_to_segment", TOOLS), handlers.add_customers_to_segment),
        (section("## A mistake, and what the model reads", TOOLS), handlers.create_or_update_customer),
        (section("## Tools"), handlers.create_or_update_customer),
    ]
    for text, tool in examples:
        arguments, documented = (json.loads(block) for block in blocks(text, "json"))
        output: dict[str, Any] = (await tool(arguments)).model_dump()
        assert ULID.sub("ULID", json.dumps(output)) == ULID.sub("ULID", json.dumps(documented))
    assert len(blocks(TOOLS, "json")) == 2 * (len(examples) - 1)


def test_the_readme_lists_every_tool() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ", section("## Tools"), re.MULTILINE)
    assert rows == list(REGISTERED_TOOLS)
    assert [name for name in REGISTERED_TOOLS if f"\n## {name}\n" not in TOOLS] == []


@pytest.mark.parametrize(
    ("table", "variables"),
    [(section("## Variables", SETTINGS), VARIABLES), (section("## Settings", DEPLOY), HTTP_VARIABLES)],
)
def test_settings_tables_list_every_setting_and_its_default(table: str, variables: dict[str, FieldInfo]) -> None:
    rows = dict(re.findall(r"^\| `(CUSTOMERIO_\w+)` \| ([^|]*?) ?\|", table, re.MULTILINE))
    assert list(rows) == list(variables)
    in_words = {
        "CUSTOMERIO_API_KEY": "required",
        "CUSTOMERIO_SITE_ID": "",
        "CUSTOMERIO_TRACK_URL": "the region's",
        "CUSTOMERIO_LOG_HASH_KEY": "from the API key",
        "CUSTOMERIO_HTTP_AUDIENCE": "the public URL",
        "CUSTOMERIO_TOOLS": "all",
        "CUSTOMERIO_EVENTS": "all",
        "CUSTOMERIO_SEGMENTS": "all",
        "CUSTOMERIO_ATTRIBUTES": "all",
        "CUSTOMERIO_MAX_EVENTS_PER_HOUR": "unlimited",
        "CUSTOMERIO_MAX_PEOPLE_PER_HOUR": "unlimited",
    }
    for name, default in rows.items():
        assert default == in_words.get(name, shown(variables[name].default))


def shown(value: object) -> str:
    """Return a default as the tables show it."""
    match value:
        case SecretStr():
            return f"`{value.get_secret_value()}`"
        case bool():
            return f"`{str(value).lower()}`"
        case float():
            return f"`{value:g}`"
        case None | frozenset() | ():
            return "none"
    return f"`{value}`"


def test_example_environment_lists_every_setting_with_its_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    named = dict(re.findall(r"^#?(CUSTOMERIO_\w+)=(.*)$", ENV_EXAMPLE, re.MULTILINE))
    assert set(named) == set(VARIABLES) | set(HTTP_VARIABLES)
    file = tmp_path / "example.env"
    file.write_text(ENV_EXAMPLE.replace("#CUSTOMERIO_", "CUSTOMERIO_"), encoding="utf-8")
    monkeypatch.setenv("CUSTOMERIO_API_KEY", "key")
    monkeypatch.setenv("CUSTOMERIO_ENV_FILE", str(file))
    from_file, http_from_file = Settings.from_environment(), HttpSettings.from_environment()
    monkeypatch.delenv("CUSTOMERIO_ENV_FILE")
    defaults = Settings.from_environment()
    assert http_from_file == HttpSettings.from_environment()
    assert from_file.model_dump(exclude={"track_url"}) == defaults.model_dump(exclude={"track_url"})
    assert from_file.base_url == defaults.base_url


def test_the_readme_shows_a_valid_configuration_of_a_host() -> None:
    (configuration,) = (json.loads(block) for block in blocks(section("## Attach it to a host"), "json"))
    server = configuration["mcpServers"]["customerio-track"]
    assert Path(server["command"]).is_absolute()
    assert set(server["env"]) <= set(VARIABLES)


def test_commands_in_the_readme_are_valid() -> None:
    parser = create_parser()
    lines = "\n".join(blocks(README, "console")).splitlines()
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("customerio-track-mcp ")]
    commands += [shlex.split(text)[1:] for text in re.findall(r"`(customerio-track-mcp [^`]+)`", README)]
    (hosts,) = re.findall(r"The hosts are (.+?);", README)
    commands += [["install", host] for host in re.findall(r"`([\w-]+)`", hosts)]
    assert len(commands) >= 10
    for words in commands:
        parser.parse_args(words)


def test_the_tools_page_lists_every_reserved_key() -> None:
    assert {key for key in RESERVED_KEYS if f"`{key}`" not in section("## Limits", TOOLS)} == set()


async def test_the_examples_of_the_client_guide_run(
    sandbox: RunningSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {}
    for example in blocks(CLIENT_GUIDE, "python"):
        source = example.replace('"your Site ID"', '"sandbox"').replace('"your Tracking API key"', '"sandbox"')
        source = source.replace("Region.EU.track_url", repr(sandbox.url))
        code = compile(source, "docs/client.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if (running := eval(code, names)) is not None:  # noqa: S307
            await running
    printed = capsys.readouterr().out
    assert "created_at" in printed
    (documented,) = blocks(CLIENT_GUIDE, "text")
    assert documented in printed
    assert [event.name for event in sandbox.workspace.events] == [
        "purchase",
        "https://shop.example/pricing",
        "order_shipped",
        "purchase",
    ]
    assert sandbox.dropped == ()


def test_the_client_guide_names_everything_public() -> None:
    assert [name for name in track.__all__ if f"`{name}`" not in CLIENT_GUIDE] == []
    rows = dict(re.findall(r"^\| `(\w+Error)` \| `(\w+)` \|", CLIENT_GUIDE, re.MULTILINE))
    assert rows == {error.__name__: error.code for error in concrete_error_classes()}


def test_bounds_in_security_are_those_of_the_settings_and_modules() -> None:
    table = section("## Bounds", DOCUMENTS["SECURITY.md"])
    rows = re.findall(r"^\| .+? \| ([\d .]+)\b[^|]* \| `([\w.]+)` \|$", table, re.MULTILINE)
    assert len(rows) == table.count("` |\n")
    variables = VARIABLES | HTTP_VARIABLES
    for number, where in rows:
        if where in variables:
            value = variables[where].default
        else:
            module, _, constant = where.rpartition(".")
            value = getattr(importlib.import_module(f"customerio_track_mcp.{module}"), constant)
        assert float(number.replace(" ", "")) == value, where


def test_the_readme_claims_the_cost_that_the_benchmarks_measure() -> None:
    performance = DOCUMENTS["docs/performance.md"]
    pattern = r"^\| [^|]+, calls per second \| the SDK's no-op tool \| \*\*([\d.]+)\*\* \|"
    ratios = [float(ratio) for ratio in re.findall(pattern, performance, re.MULTILINE)]
    assert len(ratios) >= 10
    claim = f"{min(ratios):.2f} to {max(ratios):.2f} times as many calls per second as a no-op tool"
    assert claim in " ".join(README.split())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_point_to_existing_files_and_headings(name: str) -> None:
    document = ROOT / name
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", DOCUMENTS[name])
    for link in links:
        path, _, heading = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE) if heading else []
        assert not heading or heading in {re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings}


def test_links_in_the_readme_of_the_package_are_absolute() -> None:
    """A package index does not resolve relative ones. The build applies the same substitutions."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    text = README
    for substitution in tools["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(substitution["pattern"], substitution["replacement"], text)
    repository = f"{tools['customerio-track-mcp']['publish']['owner']}/customerio-track-mcp"
    relative = re.findall(r"(!?)\[[^]]*\]\((?!https?:|#)([^)]+)\)", README)
    assert {mark for mark, _ in relative} == {"", "!"}
    for mark, path in relative:
        place = "raw.githubusercontent.com/{}/v" if mark else "github.com/{}/blob/v"
        assert f"](https://{place.format(repository)}$HFPR_VERSION/{path})" in text
    assert re.findall(r"\]\((?!https://|#)", text) == []


def test_documents_mention_only_known_variables() -> None:
    known = set(VARIABLES) | set(HTTP_VARIABLES) | {"CUSTOMERIO_ENV_FILE", "CUSTOMERIO_SECRETS_DIR", "CUSTOMERIO_"}
    for name, text in (DOCUMENTS | {".env.example": ENV_EXAMPLE}).items():
        assert set(re.findall(r"\bCUSTOMERIO_[A-Z_]*", text)) <= known, name


def test_commands_and_tokens_in_the_deployment_guide_are_valid(tmp_path: Path) -> None:
    examples = [block for block in blocks(DEPLOY, "text") if " sha256:" in block]
    assert len(examples) == 2
    for tokens in examples:
        (tmp_path / "tokens").write_text(tokens, encoding="utf-8")
        StaticTokens(None, tmp_path / "tokens")
    for line in blocks(DEPLOY, "json"):
        json.loads(line)
    commands = re.findall(r"^customerio-track-mcp (.+?)(?: +#.*)?$", "\n".join(blocks(DEPLOY, "console")), re.MULTILINE)
    assert {command.split()[0] for command in commands} <= {"check", "http", "log", "token"}
    assert commands


def test_the_scopes_table_lists_every_scope() -> None:
    rows = dict(re.findall(r"^\| `(\w+:\w+)` \| `([\w/]+)`", DEPLOY, re.MULTILINE))
    assert rows == {scope: tool for tool, scope in SCOPE_OF_TOOL.items()} | {METRICS_SCOPE: "/metrics"}
