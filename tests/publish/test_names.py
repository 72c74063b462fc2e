"""The names of a release, and the files in which they are repeated."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from publish.names import ROOT, Names, read_names

NAMES = read_names()


@pytest.mark.parametrize("owner", ["acme", "Acme-Inc", "A1"])
def test_every_name_follows_from_the_owner_in_pyproject(tmp_path: Path, owner: str) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    set_owner = re.sub(r'^owner = ".*?"', f'owner = "{owner}"', text, flags=re.MULTILINE)
    (tmp_path / "pyproject.toml").write_text(set_owner, encoding="utf-8")
    names = read_names(tmp_path / "pyproject.toml")
    assert not names.is_placeholder
    assert names.repository == f"https://github.com/{owner}/customerio-track-mcp"
    assert names.registry_name == f"io.github.{owner}/customerio-track-mcp"
    assert names.image == f"ghcr.io/{owner.lower()}/customerio-track-mcp"
    assert names.release_file("x.mcpb") == f"{names.repository}/releases/download/v{names.version}/x.mcpb"


def test_owner_is_only_named_in_one_place() -> None:
    assert Names(project="p", version="1", description="", owner="OWNER").is_placeholder
    placeholder = re.compile(r"^owner = ", re.MULTILINE)
    assert len(placeholder.findall((ROOT / "pyproject.toml").read_text(encoding="utf-8"))) == 1


def test_readme_contains_the_proof_line_of_the_registry() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    # The registry takes a longer name for another one: internal/validators/registries/mcpname.go in its repository.
    assert re.search(rf"{re.escape(NAMES.readme_line)}(?![\w./-])", readme)


def test_image_has_the_label_that_the_registry_expects() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    final_stage = dockerfile.rpartition("\nFROM ")[2]
    instructions = re.findall(r"^LABEL ((?:.*\\\n)*.*)$", final_stage, re.MULTILINE)
    labels = [pair.split("=", 1) for pair in shlex.split(" ".join(instructions).replace("\\\n", " "))]
    name, value = NAMES.image_label
    assert [given for label, given in labels if label == name] == [value]
    assert len(dict(labels)) == len(labels)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("Dockerfile", f'org.opencontainers.image.version="{NAMES.version}"'),
        ("Dockerfile", f"/blob/v{NAMES.version}/"),
        ("deploy/compose.yaml", f"image: {NAMES.project}:{NAMES.version}"),
        ("deploy/kubernetes/kustomization.yaml", f"newTag: {NAMES.version}"),
        ("deploy/kubernetes/optional/write-log.yaml", f"image: {NAMES.project}:{NAMES.version}"),
        ("docs/deploy.md", f"docker build --tag {NAMES.project}:{NAMES.version} ."),
        ("docs/testing.md", f"image: {NAMES.image}:{NAMES.version}"),
    ],
)
def test_file_that_is_edited_by_hand_contains_the_version(file: str, expected: str) -> None:
    lines = (ROOT / file).read_text(encoding="utf-8").split()
    assert expected in " ".join(lines), f"set the version in {file}"


def test_description_is_as_short_as_the_registry_demands() -> None:
    assert 0 < len(NAMES.description) <= 100
