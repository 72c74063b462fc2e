"""The bundle's manifest agrees with the server's settings; the official tool validates it in tests/integration."""

from __future__ import annotations

import re
import tomllib

import mcp_types as types
import pytest

from customerio_track_mcp.settings.server import Settings
from publish.manifest import ICON_SIZE, PYTHON, build_manifest
from publish.names import ROOT, read_names
from publish.server_lists import ServerLists
from publish.wheels import PYTHON_VERSIONS
from tests.support.documents import VARIABLES


def manifest_of(*descriptions: str, has_prompts: bool = False) -> dict[str, object]:
    tools = [types.Tool(name="tool", description=text, input_schema={"type": "object"}) for text in descriptions]
    return build_manifest(read_names(), ServerLists(tools, has_prompts))


def test_every_field_of_the_form_reaches_the_setting_of_its_name() -> None:
    manifest = manifest_of()
    env = manifest["server"]["mcp_config"]["env"]  # type: ignore[index]
    fields = {name: value for name, value in env.items() if not name.startswith("UV_")}
    assert set(fields) <= set(VARIABLES)
    assert fields == {
        Settings.variable(field): f"${{user_config.{field}}}"
        for field in manifest["user_config"]  # type: ignore[attr-defined]
    }


def test_only_the_key_is_secret_and_every_field_has_the_default_of_its_setting() -> None:
    form = manifest_of()["user_config"]
    assert isinstance(form, dict)
    assert list(form) == ["site_id", "api_key", "region", "sandbox", "dry_run"]
    assert [name for name, field in form.items() if field.get("sensitive")] == ["api_key"]
    for name, field in form.items():
        assert field["default"] == ("" if (default := Settings.model_fields[name].default) is None else default)


def test_icon_has_the_size_that_the_manifest_names() -> None:
    png = (ROOT / "server" / "customerio_track_mcp" / "icons" / "icon.png").read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert [int.from_bytes(png[at : at + 4]) for at in (16, 20)] == [ICON_SIZE, ICON_SIZE]


def test_python_versions_are_those_whose_wheels_are_checked() -> None:
    newest = PYTHON_VERSIONS[-1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"{project['requires-python']},<{newest[0]}.{newest[1] + 1}" == PYTHON
    assert [version[1] for version in PYTHON_VERSIONS] == list(range(PYTHON_VERSIONS[0][1], newest[1] + 1))
    assert project["requires-python"] == ">=3.{1}".format(*PYTHON_VERSIONS[0])


@pytest.mark.parametrize(
    ("description", "shown"),
    [("One. Two.", "One."), ("One.", "One."), ("Version 1.5 of it. Two", "Version 1.5 of it."), ("One", "One")],
)
def test_tools_are_shown_with_their_first_sentence(description: str, shown: str) -> None:
    assert manifest_of(description)["tools"] == [{"name": "tool", "description": shown}]


@pytest.mark.parametrize("has_prompts", [True, False])
def test_prompts_are_announced_if_the_server_has_some(has_prompts: bool) -> None:
    assert manifest_of(has_prompts=has_prompts)["prompts_generated"] is has_prompts


def test_privacy_is_explained_and_linked() -> None:
    manifest = manifest_of()
    assert "sends the arguments of tool calls" in str(manifest["long_description"])
    policies = manifest["privacy_policies"]
    assert isinstance(policies, list)
    assert [bool(re.match(r"https://(customer\.io|github\.com)/", policy)) for policy in policies] == [True, True]
