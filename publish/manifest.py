"""The bundle's manifest: what Claude Desktop shows, asks the user for, and starts.

The format is version 0.4 of https://github.com/modelcontextprotocol/mcpb/blob/main/MANIFEST.md, the first one with
servers of the type `uv`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

from publish.names import ROOT, Names
from publish.server_lists import ServerLists

ENTRY_POINT: Final = "server/main.py"
ICON: Final = "icon.png"
ICON_SIZE: Final = 512
PLATFORMS: Final = ("darwin", "linux", "win32")
PYTHON: Final = ">=3.11,<3.15"
"""The versions for which every dependency has been checked to have wheels."""

_API_CREDENTIALS: Final = "In Customer.io: Settings > Workspace Settings > API Credentials."
_PRIVACY: Final = """\
**Privacy.** This extension runs on your computer. It sends the arguments of tool calls, which can contain personal \
data, to Customer.io's Track API in the region that you choose, and nothing to anybody else: no telemetry. With the \
sandbox or the dry run switched on, it sends nothing. The key is marked as sensitive, so that Claude Desktop hides it \
and stores it securely. On the first start, Claude Desktop downloads the dependencies from the Python Package Index, \
and Python itself from Astral, the maker of uv, if your computer has none that fits. What \
Customer.io stores is subject to Customer.io's privacy policy."""
_CUSTOMERIO_PRIVACY: Final = "https://customer.io/legal/privacy-policy"

# Claude Desktop passes an empty field without a default as the literal text `${user_config.NAME}`
# (https://github.com/modelcontextprotocol/mcpb/issues/250). The fields are not required, since the sandbox needs none.
_USER_CONFIG: Final[dict[str, dict[str, Any]]] = {
    "site_id": {
        "type": "string",
        "title": "Site ID",
        "description": f"{_API_CREDENTIALS} Leave it empty with the sandbox.",
        "required": False,
        "default": "",
    },
    "api_key": {
        "type": "string",
        "title": "Tracking API key",
        "description": f"{_API_CREDENTIALS} Not an App API key. Leave it empty with the sandbox.",
        "required": False,
        "sensitive": True,
        "default": "",
    },
    "region": {
        "type": "string",
        "title": "Region",
        "description": "Data region of the workspace: US or EU.",
        "required": False,
        "default": "US",
    },
    "sandbox": {
        "type": "boolean",
        "title": "Use the sandbox",
        "description": "Try everything without an account: calls go to a Track API on your computer, with a page to "
        "watch what arrives. Nothing is sent to Customer.io.",
        "required": False,
        "default": False,
    },
    "dry_run": {
        "type": "boolean",
        "title": "Dry run",
        "description": "Rehearse: calls are checked, and each result shows the request. Nothing is sent.",
        "required": False,
        "default": False,
    },
}


# Trust the certificates that the operating system trusts, such as that of a company's proxy. uv 0.9, which Claude
# Desktop contains, knows the first name only; newer versions warn about it unless the second one is set too.
_UV_ENVIRONMENT: Final = {"UV_NATIVE_TLS": "1", "UV_SYSTEM_CERTS": "1"}


def build_manifest(names: Names, lists: ServerLists, pyproject: Path = ROOT / "pyproject.toml") -> dict[str, Any]:
    """Return the content of manifest.json.

    Args:
        names: the names under which the bundle is published.
        lists: what the server in the bundle lists.
        pyproject: the file with the keywords and the license.
    """
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    return {
        "manifest_version": "0.4",
        "name": names.project,
        "display_name": names.title,
        "version": names.version,
        "description": names.description,
        "long_description": f"{names.description}.\n\n{_PRIVACY}",
        "author": {"name": f"The {names.project} authors", "url": names.repository},
        "repository": {"type": "git", "url": f"{names.repository}.git"},
        "homepage": names.repository,
        "documentation": f"{names.repository}#readme",
        "support": f"{names.repository}/issues",
        "icon": ICON,
        "icons": [{"src": ICON, "size": f"{ICON_SIZE}x{ICON_SIZE}"}],
        "server": {
            "type": "uv",
            "entry_point": ENTRY_POINT,
            # Claude Desktop runs its own uv with these arguments, whatever `command` is. uv changes to the directory,
            # finds pyproject.toml there, and creates an environment beside it on the first start.
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--directory", "${__dirname}", ENTRY_POINT],
                "env": _UV_ENVIRONMENT
                | {f"CUSTOMERIO_{field.upper()}": f"${{user_config.{field}}}" for field in _USER_CONFIG},
            },
        },
        "tools": [
            {"name": tool.name, "description": _first_sentence(tool.description or tool.title or "")}
            for tool in lists.tools
        ],
        "tools_generated": False,
        "prompts_generated": lists.has_prompts,
        "keywords": project["keywords"],
        "license": project["license"],
        "privacy_policies": [_CUSTOMERIO_PRIVACY, f"{names.repository}/blob/v{names.version}/docs/privacy.md"],
        "compatibility": {"platforms": list(PLATFORMS), "runtimes": {"python": PYTHON}},
        "user_config": _USER_CONFIG,
    }


def _first_sentence(text: str) -> str:
    first, separator, _ = text.partition(". ")
    return f"{first}." if separator else first
