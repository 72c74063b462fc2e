"""The entry in the MCP registry: `python -m publish.registry_entry` writes server.json.

The file in the repository names the Python package and the image. The bundle's hash is only known when it is built, so
a release adds the bundle: `python -m publish.registry_entry --bundle FILE --output FILE`. The rules beyond the JSON
Schema are those of https://github.com/modelcontextprotocol/registry (docs/reference/server-json).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import Region
from publish.names import ROOT, Names, read_names

SCHEMA: Final = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
SERVER_JSON: Final = ROOT / "server.json"
_STDIO: Final = {"type": "stdio"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the entry.

    Returns:
        The exit status: 0 for success, 1 if the entry cannot be published.
    """
    parser = argparse.ArgumentParser(
        prog="python -m publish.registry_entry", description="Write the entry in the MCP registry."
    )
    parser.add_argument("--bundle", type=Path, metavar="FILE", help="the bundle of this release, to add it")
    parser.add_argument("--output", type=Path, metavar="FILE", default=SERVER_JSON, help="default: %(default)s")
    options = parser.parse_args(arguments)
    names = read_names()
    if options.bundle is not None and names.is_placeholder:
        print("owner: set it in pyproject.toml before a release; nothing can be published as 'OWNER'", file=sys.stderr)
        return 1
    options.output.write_text(render(build_entry(names, options.bundle)), encoding="utf-8")
    return 0


def render(entry: dict[str, Any]) -> str:
    """Return the text of server.json."""
    return json.dumps(entry, indent=2) + "\n"


def build_entry(names: Names, bundle: Path | None = None) -> dict[str, Any]:
    """Return the content of server.json.

    Args:
        names: the names under which the release is published.
        bundle: the bundle to add, exactly as the release contains it.
    """
    variables = _environment_variables()
    packages: list[dict[str, Any]] = [
        {
            "registryType": "pypi",
            "identifier": names.project,
            "version": names.version,
            "runtimeHint": "uvx",
            "transport": _STDIO,
            "environmentVariables": variables,
        },
        {
            # The tag is part of the identifier of an image, which has no version of its own.
            "registryType": "oci",
            "identifier": f"{names.image}:{names.version}",
            "runtimeHint": "docker",
            "transport": _STDIO,
            # By default, the image serves HTTP.
            "packageArguments": [{"type": "positional", "value": "stdio"}],
            "environmentVariables": variables,
        },
    ]
    if bundle is not None:
        packages.append(
            {
                # Its manifest says how it is configured.
                "registryType": "mcpb",
                "identifier": names.release_file(bundle.name),
                "fileSha256": hashlib.sha256(bundle.read_bytes()).hexdigest(),
                "transport": _STDIO,
            }
        )
    return {
        "$schema": SCHEMA,
        "name": names.registry_name,
        "title": names.title,
        "description": names.description,
        "version": names.version,
        "websiteUrl": names.repository,
        "repository": {"url": names.repository, "source": "github"},
        "packages": packages,
    }


def _environment_variables() -> list[dict[str, Any]]:
    """Return the settings that a person who installs the server chooses."""
    return [
        _variable("site_id", isRequired=True),
        _variable("api_key", isRequired=True, isSecret=True),
        _variable("region", default=Region.US.value, choices=[region.value for region in Region]),
        _variable("sandbox", format="boolean", default="false"),
        _variable("dry_run", format="boolean", default="false"),
    ]


def _variable(field: str, **attributes: Any) -> dict[str, Any]:
    description = Settings.model_fields[field].description
    return {"name": Settings.variable(field), "description": description, **attributes}


if __name__ == "__main__":
    raise SystemExit(main())
