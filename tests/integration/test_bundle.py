"""The bundle, unpacked and started as its manifest says, on a computer that has only uv and Python.

To install what packs it: `npm install --prefix publish/mcpb`. uv installs the dependencies from the package index, or
from its cache.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import uv
from mcp import Client, StdioServerParameters
from packaging.utils import canonicalize_name

from publish.bundle import MCPB, build_bundle, read_pins
from publish.names import read_names
from tests.support.checkout import newcomers_environment

NAMES: Final = read_names()
EVENT: Final = {"customer_id": "1", "event_name": "bought"}
SUBSTITUTE: Final = """
import { getMcpConfigForManifest } from "@anthropic-ai/mcpb";
const [manifest, extensionPath, userConfig] = process.argv.slice(1).map((argument) => JSON.parse(argument));
const config = { manifest, extensionPath, userConfig, systemDirs: {}, pathSeparator: "/" };
console.log(JSON.stringify(await getMcpConfigForManifest(config)));
"""
"""Replaces the variables of a manifest with the function of the bundle format's own package."""

pytestmark = pytest.mark.skipif(
    not MCPB.exists() and "REQUIRE_BUNDLE" not in os.environ, reason="the tool that packs bundles is not installed"
)


@dataclass(frozen=True)
class Unpacked:
    """The bundle on a user's computer.

    Attributes:
        path: the bundle.
        folder: where the host has unpacked it.
        home: the user's home, which is empty before the first start.
    """

    path: Path
    folder: Path
    home: Path

    @property
    def manifest(self) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
        return manifest

    def server(self, form: Mapping[str, object]) -> StdioServerParameters:
        """Return how the host starts the server after the user has filled in the form."""
        arguments = map(json.dumps, (self.manifest, str(self.folder), form))
        config = json.loads(node("--input-type=module", "--eval", SUBSTITUTE, *arguments))
        # The host runs its own uv instead of the command.
        return StdioServerParameters(
            command=uv.find_uv_bin(), args=config["args"], env=self.environment | config["env"], cwd=self.home
        )

    @property
    def environment(self) -> dict[str, str]:
        """The user's environment: uv's cache is shared with the other tests, and nothing else of this computer."""
        cache = subprocess.run([uv.find_uv_bin(), "cache", "dir"], capture_output=True, encoding="utf-8", check=True)
        kept = {
            name: value
            for name, value in newcomers_environment().items()
            if not name.startswith(("CUSTOMERIO_", "VIRTUAL_ENV", "XDG_"))
        }
        path = os.pathsep.join([f"{sys.base_prefix}/bin", os.defpath])
        return kept | {"HOME": str(self.home), "PATH": path, "UV_CACHE_DIR": cache.stdout.strip()}


def node(*arguments: str) -> str:
    command = [shutil.which("node") or "node", *arguments]
    return subprocess.run(command, cwd=MCPB.parent, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    temporary = tmp_path_factory.mktemp("host")
    path = build_bundle(temporary / "dist")
    folder = temporary / "Application Support" / "extension"
    node(str(MCPB), "unpack", str(path), str(folder))
    (temporary / "home").mkdir()
    return Unpacked(path, folder, temporary / "home")


def test_bundle_contains_what_it_needs_and_nothing_else(unpacked: Unpacked) -> None:
    assert unpacked.path.name == f"customerio-track-mcp-{NAMES.version}.mcpb"
    wheel = f"wheels/customerio_track_mcp-{NAMES.version}-py3-none-any.whl"
    with zipfile.ZipFile(unpacked.path) as archive:
        names = archive.namelist()
        assert sorted(names) == ["LICENSE", "icon.png", "manifest.json", "pyproject.toml", "server/main.py", wheel]
        project = archive.read("pyproject.toml").decode()
        archive.extract(wheel, unpacked.home.parent)
    assert wheel in project
    with zipfile.ZipFile(unpacked.home.parent / wheel) as archive:
        assert "customerio_track_mcp/__main__.py" in archive.namelist()
    assert str(Path.home()) not in project
    assert "://" not in project, "names a package index"


def test_manifest_is_valid_and_lists_the_tools(unpacked: Unpacked) -> None:
    assert "passes" in node(str(MCPB), "validate", str(unpacked.folder / "manifest.json"))
    assert [tool["name"] for tool in unpacked.manifest["tools"]] == [
        "create_or_update_customer",
        "send_event",
        "add_customers_to_segment",
    ]


async def test_sandbox_works_on_a_new_users_computer(unpacked: Unpacked) -> None:
    async with Client(unpacked.server({"sandbox": True})) as client:
        assert "This is a sandbox without real data" in (client.instructions or "")
        listed = [tool.name for tool in (await client.list_tools()).tools]
        result = await client.call_tool("send_event", EVENT)
    assert listed == [tool["name"] for tool in unpacked.manifest["tools"]]
    assert result.structured_content is not None
    assert result.structured_content["success"] is True
    assert unpinned_versions(unpacked.folder / ".venv") == set()


def unpinned_versions(environment: Path) -> set[tuple[str, str]]:
    """Return name and version of each installed package that constraints.txt does not pin, except the bundle's own."""
    pinned = {(canonicalize_name(pin.name), str(pin.specifier).removeprefix("==")) for pin in read_pins()}
    (site_packages,) = environment.glob("lib/python3.*/site-packages")
    packages = (package.stem.split("-") for package in site_packages.glob("*.dist-info"))
    installed: set[tuple[str, str]] = {(canonicalize_name(name), version) for name, version in packages}
    assert (NAMES.project, NAMES.version) in installed
    return installed - pinned - {(NAMES.project, NAMES.version)}


async def test_an_empty_form_is_reported_in_each_call(unpacked: Unpacked) -> None:
    async with Client(unpacked.server({})) as client:
        result = await client.call_tool("send_event", EVENT)
    assert result.structured_content is not None
    missing = "CUSTOMERIO_API_KEY is not set and CUSTOMERIO_SITE_ID is not set"
    assert result.structured_content["error"].startswith(f"Nothing was sent. {missing}.")
