"""The settings at the end of `--help`: `python -m publish.settings_help` writes them to a file of the package.

The command reads the file, since to import the settings takes ten times as long as all else that `--help` does.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from customerio_track_mcp.settings.base import EnvironmentSettings
from customerio_track_mcp.settings.control import ControlSettings
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.settings.server import Settings
from publish.names import ROOT

SETTINGS_HELP: Final[Path] = ROOT / "server" / "customerio_track_mcp" / "cli" / "settings_help.txt"


def main() -> int:
    """Write the file; return the exit status."""
    SETTINGS_HELP.write_text(settings_help(), encoding="utf-8")
    return 0


def settings_help() -> str:
    """Return the text of the file."""
    own = {name: field for name, field in Settings.model_fields.items() if name not in ControlSettings.model_fields}
    lines = [
        "settings (environment variables, --env-file, or secret files in /run/secrets):",
        *_fields_help(Settings, own),
        "settings that limit and record what a model does:",
        *_fields_help(Settings, ControlSettings.model_fields),
        "settings of the HTTP service:",
        *_fields_help(HttpSettings, HttpSettings.model_fields),
    ]
    return "\n".join(lines) + "\n"


def _fields_help(settings: type[EnvironmentSettings], fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    for name, field in fields.items():
        default = field.default
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        shown = ", ".join(sorted(default)) if isinstance(default, frozenset) else default
        suffix = "" if shown in (None, "") else f" [{shown}]"
        yield f"  {settings.variable(name)}"
        yield from textwrap.wrap(
            f"{field.description}{suffix}", width=78, initial_indent="      ", subsequent_indent="      "
        )


if __name__ == "__main__":
    raise SystemExit(main())
