"""The entry in the MCP registry conforms to its schema and rules, and is in step with pyproject.toml."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from customerio_track_mcp.settings.server import Settings
from publish import registry_entry
from publish.names import ROOT, Names, read_names
from publish.registry_entry import SERVER_JSON, build_entry, render

SCHEMA = json.loads((ROOT / "tests" / "data" / "registry" / "server.schema.json").read_text(encoding="utf-8"))
NAMES = read_names()
RELEASED = Names(NAMES.project, "1.2.3", NAMES.description, "Acme")


def validate(entry: dict[str, Any]) -> None:
    checker = jsonschema.Draft7Validator.FORMAT_CHECKER
    jsonschema.Draft7Validator(SCHEMA, format_checker=checker).validate(entry)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "customerio-track-mcp-1.2.3.mcpb"
    path.write_bytes(b"a bundle")
    return path


def test_committed_entry_is_in_step() -> None:
    committed = SERVER_JSON.read_text(encoding="utf-8")
    assert committed == render(build_entry(NAMES)), "run: python -m publish.registry_entry"


@pytest.mark.parametrize("names", [NAMES, RELEASED], ids=["placeholder", "owner"])
def test_entry_conforms_to_the_schema(names: Names, bundle: Path) -> None:
    assert SCHEMA["$id"] == registry_entry.SCHEMA
    for entry in (build_entry(names), build_entry(names, bundle)):
        validate(entry)


@pytest.mark.parametrize(
    "change",
    [{"name": "no-slash"}, {"description": "x" * 101}, {"version": None}, {"packages": [{"registryType": "pypi"}]}],
)
def test_schema_rejects_an_invalid_entry(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validate(build_entry(NAMES) | change)


def test_packages_name_this_release(bundle: Path) -> None:
    pypi, image, bundled = build_entry(RELEASED, bundle)["packages"]
    assert (pypi["registryType"], pypi["identifier"], pypi["version"]) == ("pypi", "customerio-track-mcp", "1.2.3")
    assert (image["registryType"], image["identifier"]) == ("oci", "ghcr.io/acme/customerio-track-mcp:1.2.3")
    assert bundled == {
        "registryType": "mcpb",
        "identifier": f"https://github.com/Acme/customerio-track-mcp/releases/download/v1.2.3/{bundle.name}",
        "fileSha256": hashlib.sha256(b"a bundle").hexdigest(),
        "transport": {"type": "stdio"},
    }
    # The registry rejects these: an image's version is its tag, a bundle's is in its URL.
    assert {"version", "registryBaseUrl"}.isdisjoint(image)
    assert re.fullmatch(r"[a-z0-9./-]+:[\w.-]+", image["identifier"])


@pytest.mark.parametrize("position", [0, 1])
def test_variables_are_settings_and_the_key_alone_is_secret(position: int) -> None:
    variables = build_entry(NAMES)["packages"][position]["environmentVariables"]
    fields = {Settings.variable(name) for name in Settings.model_fields}
    assert {variable["name"] for variable in variables} <= fields
    assert [variable["name"] for variable in variables if variable.get("isSecret")] == ["CUSTOMERIO_API_KEY"]
    for variable in variables:
        if "default" in variable:
            field = variable["name"].removeprefix("CUSTOMERIO_").lower()
            assert str(Settings.model_fields[field].default).lower() == variable["default"].lower()


def test_release_needs_an_owner(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "server.json"
    status = registry_entry.main(["--bundle", str(bundle), "--output", str(output)])
    assert (status, output.exists()) == ((1, False) if NAMES.is_placeholder else (0, True))
    assert capsys.readouterr().err.startswith("owner: set it in pyproject.toml" if NAMES.is_placeholder else "")


def test_entry_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    assert registry_entry.main(["--output", str(tmp_path / "server.json")]) == 0
    assert json.loads((tmp_path / "server.json").read_text(encoding="utf-8"))["name"] == NAMES.registry_name
