"""The owner's name in the files that repeat it."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from publish.names import PLACEHOLDER_OWNER, read_names
from publish.owner import main, with_owner
from tests.support.documents import ROOT


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_no_file_names_the_previous_owner_afterwards() -> None:
    names = read_names()
    new = replace(names, owner="Acme-1")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    before, after = f"{names.owner}/{names.project}".lower(), f"{new.owner}/{new.project}".lower()
    for name in [*listed.stdout.splitlines(), "pyproject.toml"]:
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        changed = with_owner(text, new.owner, names)
        assert before not in changed.lower(), name
        assert changed.lower().count(after) == text.lower().count(before), name
    assert '\nowner = "Acme-1"' in changed


def test_tests_pass_with_any_owner() -> None:
    """A test that repeats the placeholder would fail, or test something else, after a maintainer has set the owner."""
    placeholders = replace(read_names(), owner=PLACEHOLDER_OWNER)
    repeated = f'owner = "{PLACEHOLDER_OWNER}"'
    for path in sorted((ROOT / "tests").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert with_owner(text, "Acme-1", placeholders) == text, path
        assert repeated not in text, path


@pytest.mark.parametrize("name", ["", "-acme", "acme-", "a--b", "a/b", "a.b", "a" * 40, "OWNER;rm"])
def test_invalid_name_changes_nothing(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--", name]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("NAME: ")
