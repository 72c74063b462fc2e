"""The files of the hosts' plugins are in step with the project, and their hosts accept them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest

from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import Region
from publish.host_plugins import CLAUDE_PLUGIN, plugin_files, render
from publish.names import ROOT, Names, read_names

NAMES: Final = read_names()
RELEASED: Final = Names(NAMES.project, "1.2.3", NAMES.description, "Acme")
CHOSEN: Final = {
    "CUSTOMERIO_SITE_ID",
    "CUSTOMERIO_API_KEY",
    "CUSTOMERIO_REGION",
    "CUSTOMERIO_SANDBOX",
    "CUSTOMERIO_DRY_RUN",
}


def content(path: Path | str) -> dict[str, Any]:
    return plugin_files(RELEASED)[Path(path)]


@pytest.mark.parametrize("path", plugin_files(NAMES), ids=str)
def test_committed_file_is_in_step(path: Path) -> None:
    committed = (ROOT / path).read_text(encoding="utf-8")
    assert committed == render(plugin_files(NAMES)[path]), "run: python -m publish.host_plugins"


def test_the_marketplace_names_the_folder_of_the_plugin() -> None:
    (entry,) = content(".claude-plugin/marketplace.json")["plugins"]
    plugin = content(CLAUDE_PLUGIN / ".claude-plugin" / "plugin.json")
    assert entry["name"] == plugin["name"]
    assert (ROOT / entry["source"] / ".claude-plugin" / "plugin.json").is_file()


@pytest.mark.parametrize("path", [CLAUDE_PLUGIN / ".mcp.json", Path("gemini-extension.json")], ids=str)
def test_a_plugin_starts_this_release(path: Path) -> None:
    server = content(path)["mcpServers"]["customerio-track"]
    assert (server["command"], server["args"]) == ("uvx", ["customerio-track-mcp==1.2.3"])


def test_claude_code_passes_every_option_to_a_setting() -> None:
    options = content(CLAUDE_PLUGIN / ".claude-plugin" / "plugin.json")["userConfig"]
    env = content(CLAUDE_PLUGIN / ".mcp.json")["mcpServers"]["customerio-track"]["env"]
    passed = {variable: re.fullmatch(r"\$\{user_config\.(\w+)\}", value) for variable, value in env.items()}
    assert {variable: match and match[1] for variable, match in passed.items()} == {
        Settings.variable(option): option for option in options
    }
    assert set(env) == CHOSEN
    assert [name for name, option in options.items() if option.get("sensitive")] == ["api_key"]


def test_gemini_cli_asks_for_every_setting() -> None:
    settings = content("gemini-extension.json")["settings"]
    assert {setting["envVar"] for setting in settings} == CHOSEN
    assert [setting["envVar"] for setting in settings if setting.get("sensitive")] == ["CUSTOMERIO_API_KEY"]


def test_the_page_of_hosts_names_the_repository() -> None:
    page = (ROOT / "docs" / "hosts.md").read_text(encoding="utf-8")
    plugin = content(CLAUDE_PLUGIN / ".claude-plugin" / "plugin.json")["name"]
    marketplace = content(".claude-plugin/marketplace.json")["name"]
    for command in (
        f"claude plugin marketplace add {NAMES.repository.removeprefix('https://github.com/')}",
        f"claude plugin install {plugin}@{marketplace}",
        f"gemini extensions install {NAMES.repository}",
    ):
        assert f"\n{command}\n" in page


def test_empty_options_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claude Code passes an option without a value as an empty string."""
    for variable in CHOSEN:
        monkeypatch.setenv(variable, "")
    monkeypatch.setenv("CUSTOMERIO_API_KEY", "site:key")
    settings = Settings.from_environment()
    assert settings.region is Region.US
    assert not settings.sandbox
    assert not settings.dry_run
