"""Plugins with which hosts install the server: `python -m publish.host_plugins` writes their files.

The files are in the repository, since hosts read them from there: Claude Code a marketplace with one plugin
(https://code.claude.com/docs/en/plugins-reference), Gemini CLI an extension
(https://geminicli.com/docs/extensions/reference). Both hosts ask for the settings and start the released package.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from customerio_track_mcp.settings.server import Settings
from publish.names import ROOT, Names, read_names
from publish.released_server import CHOSEN_SETTINGS, SERVER_NAME, uvx_entry

CLAUDE_PLUGIN: Final = Path("plugins", "claude-code")
_TITLES: Final = {
    "site_id": "Site ID",
    "api_key": "Tracking API key",
    "region": "Region",
    "sandbox": "Use the sandbox",
    "dry_run": "Dry run",
}
_SECRETS: Final = frozenset({"api_key"})
_SWITCHES: Final = frozenset({"sandbox", "dry_run"})


def main() -> int:
    """Write the files, and return the exit status."""
    for path, content in plugin_files(read_names()).items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(render(content), encoding="utf-8")
    return 0


def render(content: Mapping[str, Any]) -> str:
    """Return the text of a file."""
    return json.dumps(content, indent=2) + "\n"


def plugin_files(names: Names) -> dict[Path, dict[str, Any]]:
    """Return the content of each file, by its path in the repository."""
    return {
        Path(".claude-plugin", "marketplace.json"): _claude_marketplace(names),
        CLAUDE_PLUGIN / ".claude-plugin" / "plugin.json": _claude_plugin(names),
        CLAUDE_PLUGIN / ".mcp.json": _claude_servers(names),
        Path("gemini-extension.json"): _gemini_extension(names),
    }


def _claude_marketplace(names: Names) -> dict[str, Any]:
    return {
        "name": names.project,
        "description": names.description,
        "owner": _author(names),
        "plugins": [
            {"name": SERVER_NAME, "source": f"./{CLAUDE_PLUGIN.as_posix()}", "description": names.description},
        ],
    }


def _claude_plugin(names: Names) -> dict[str, Any]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "name": SERVER_NAME,
        "version": names.version,
        "description": names.description,
        "author": _author(names),
        "homepage": names.repository,
        "repository": names.repository,
        "license": project["license"],
        "keywords": project["keywords"],
        "userConfig": {field: _claude_option(field) for field in CHOSEN_SETTINGS},
    }


def _claude_option(field: str) -> dict[str, Any]:
    option = {
        "type": "boolean" if field in _SWITCHES else "string",
        "title": _TITLES[field],
        "description": Settings.model_fields[field].description,
    }
    if field in _SECRETS:
        # Claude Code keeps it outside its settings, in its secure storage.
        return option | {"sensitive": True}
    return option | {"default": False if field in _SWITCHES else {"site_id": "", "region": "US"}[field]}


def _claude_servers(names: Names) -> dict[str, Any]:
    # An option without a value becomes an empty string, which the server ignores.
    env = {Settings.variable(field): f"${{user_config.{field}}}" for field in CHOSEN_SETTINGS}
    return {"mcpServers": {SERVER_NAME: uvx_entry(names) | {"env": env}}}


def _gemini_extension(names: Names) -> dict[str, Any]:
    return {
        # Gemini CLI expects the name of the folder, which is that of the repository.
        "name": names.project,
        "version": names.version,
        "description": names.description,
        "mcpServers": {SERVER_NAME: uvx_entry(names)},
        # Gemini CLI sets these variables, and no others whose names look like those of secrets.
        "settings": [
            {
                "name": _TITLES[field],
                "description": Settings.model_fields[field].description,
                "envVar": Settings.variable(field),
                **({"sensitive": True} if field in _SECRETS else {}),
            }
            for field in CHOSEN_SETTINGS
        ],
    }


def _author(names: Names) -> dict[str, str]:
    return {"name": f"The {names.project} authors", "url": names.repository}


if __name__ == "__main__":
    raise SystemExit(main())
