"""`make` in an empty clone: which Python it accepts, when it creates .venv again, and what it installs.

Most tests use a stand-in for Python, which reports a version, creates an environment of it, and writes down what is
installed. One installs for real.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.checkout import copy_checkout, newcomers_environment
from tests.support.documents import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

TOOLS: Final = ("pytest", "mypy", "ruff", "playwright", "kubernetes_validate")
MAX_MEGABYTES: Final = 150

STAND_IN: Final = """\
#!/bin/sh
case "$1 $2" in
-c*) echo {version} ;;
"-m venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python && echo {version} >> created ;;
"-m uv") for last; do :; done
    case "$3" in venv) mkdir -p "$last/bin" && cp "$0" "$last/bin/python" ;; esac
    echo "$*" | sed 's/^-m //' >> installed ;;
"-m publish.unbounded_requirements") echo "uvicorn>=0.34" ;;
"-m pytest") echo "ran pytest with $0" ;;
"-m pip") echo "$*" | sed 's/.*--editable //' >> installed
    printf '#!/bin/sh\\necho "ran $(basename $0)"\\n' > .venv/bin/customerio-track-mcp
    chmod +x .venv/bin/customerio-track-mcp
    for tool in coverage ruff codespell mypy; do cp .venv/bin/customerio-track-mcp .venv/bin/$tool; done ;;
esac
"""


class Clone:
    """A clone of the project's Makefile, with stand-ins for Python before everything else on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pythons = folder / "pythons"
        self.pythons.mkdir()
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, folder / name)
        # No other Python, so that only stand-ins are found.
        for tool in ("sh", "sed", "mkdir", "cp", "rm", "touch", "chmod", "basename"):
            found = shutil.which(tool)
            assert found
            (self.pythons / tool).symlink_to(found)

    def python(self, name: str, version: str) -> Path:
        """Install a stand-in for Python that reports `version`."""
        path = self.pythons / name
        path.write_text(STAND_IN.format(version=version), encoding="utf-8")
        path.chmod(0o755)
        return path

    def make(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run make; PYTHON is not set unless it is among the variables."""
        make = shutil.which("make")
        assert make
        env = newcomers_environment() | {"PATH": str(self.pythons)} | variables
        command = [make, *arguments]
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, encoding="utf-8", check=False)

    def lines(self, name: str) -> list[str]:
        """Return the lines of a file that the stand-ins write, empty if it does not exist."""
        path = self.folder / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


@pytest.mark.parametrize("version", ["2.7.18", "3.6.15", "3.9.18", "3.10.13", "Python 3.9.6"])
@pytest.mark.parametrize("target", ["demo", "test", "lint"])
def test_an_old_python_is_reported_with_what_to_do(clone: Clone, version: str, target: str) -> None:
    clone.python("python3", version)
    result = clone.make(target)
    assert result.returncode != 0
    found = version.removeprefix("Python ")
    assert f"needs Python 3.11 or newer, but python3 is Python {found}. Install a newer Python" in result.stderr
    assert f"PYTHON=python3.12 make {target}" in result.stderr
    assert clone.lines("installed") == clone.lines("created") == []
    assert not (clone.folder / ".venv").exists()


def test_a_newer_python_that_is_installed_is_named(clone: Clone) -> None:
    clone.python("python3", "3.9.18")
    clone.python("python3.12", "3.12.1")
    assert "but python3 is Python 3.9.18. Run: PYTHON=python3.12 make demo" in clone.make("demo").stderr
    assert clone.make("demo", PYTHON="python3.12").returncode == 0


@pytest.mark.parametrize("version", ["3.11.0", "3.12.1", "3.13.0", "3.14.0rc1", "3.20.1"])
def test_a_supported_python_is_used(clone: Clone, version: str) -> None:
    clone.python("python3", version)
    result = clone.make("demo")
    assert result.returncode == 0, result.stderr
    assert clone.lines("created") == [version]


def test_a_missing_python_is_reported(clone: Clone) -> None:
    result = clone.make("demo", "PYTHON=python3.12")
    assert "needs Python 3.11 or newer, but python3.12 does not run." in result.stderr
    assert result.returncode != 0


@pytest.mark.parametrize("before", ["3.9.18", "3.10.13", "3.11.7", ""])
def test_an_environment_of_another_version_is_created_again(clone: Clone, before: str) -> None:
    old = clone.folder / ".venv" / "bin" / "python"
    old.parent.mkdir(parents=True)
    if before:
        shutil.copy(clone.python("old", before), old)
    else:
        old.symlink_to(clone.folder / "a-python-that-is-gone")
    leftover = clone.folder / ".venv" / "leftover"
    leftover.touch()
    for stamp in ("created", "runtime", "dev"):
        (clone.folder / ".venv" / stamp).touch()
    clone.python("python3.12", "3.12.1")
    result = clone.make("demo", "PYTHON=python3.12")
    assert result.returncode == 0, result.stderr
    assert "creating .venv again, for Python 3.12.1" in result.stdout
    assert not leftover.exists()
    assert clone.lines("created") == ["3.12.1"]
    assert clone.lines("installed") == ["."]


def test_an_environment_of_the_same_version_is_kept(clone: Clone) -> None:
    clone.python("python3", "3.12.1")
    for _ in range(2):
        assert clone.make("demo").returncode == 0
    clone.python("python3", "3.12.9")
    assert clone.make("demo").returncode == 0
    assert clone.lines("created") == ["3.12.1"]
    assert clone.lines("installed") == ["."]


def test_an_environment_serves_later_targets_without_naming_its_python_again(clone: Clone) -> None:
    clone.python("python3", "3.9.18")
    clone.python("python3.12", "3.12.1")
    assert clone.make("demo", PYTHON="python3.12").returncode == 0
    assert clone.make("lint").returncode == 0
    assert clone.make("lint", PYTHON="python3").returncode != 0
    assert clone.lines("created") == ["3.12.1"]


def test_an_interrupted_creation_is_repeated(clone: Clone) -> None:
    python = clone.python("python3", "3.12.1")
    (clone.folder / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(python, clone.folder / ".venv" / "bin" / "python")
    assert clone.make("demo").returncode == 0
    assert clone.lines("created") == ["3.12.1"]


def test_other_targets_add_the_tools_to_what_the_demo_installs(clone: Clone) -> None:
    clone.python("python3", "3.12.1")
    assert clone.make("demo").stdout.endswith("ran customerio-track-mcp\n")
    assert clone.lines("installed") == ["."]
    assert clone.make("lint", "check-types").returncode == 0
    assert clone.lines("installed") == [".", ".[dev]"]
    assert clone.make("demo", "lint").returncode == 0
    assert clone.lines("installed") == [".", ".[dev]"]
    os.utime(clone.folder / "pyproject.toml")
    assert clone.make("lint").returncode == 0
    assert clone.lines("installed") == [".", ".[dev]", ".", ".[dev]"]


def test_next_versions_are_installed_past_the_upper_bounds(clone: Clone) -> None:
    clone.python("python3", "3.12.1")
    result = clone.make("test-next")
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("ran pytest with .venv/next/bin/python\n")
    assert clone.lines(".venv/next/requirements.txt") == ["uvicorn>=0.34"]
    options = "uv pip install --quiet --python .venv/next"
    installed = clone.lines("installed")
    assert f"{options} --prerelease allow --requirement .venv/next/requirements.txt" in installed
    assert f"{options} --no-deps --editable ." in installed


def test_documents_name_the_variable() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "Makefile"):
        assert re.search(r"PYTHON=python3\.\d+ make", (ROOT / name).read_text(encoding="utf-8")), name


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_demo_in_an_empty_clone_installs_only_what_it_needs(tmp_path: Path) -> None:
    folder = copy_checkout(tmp_path)
    result = subprocess.run(
        ["make", "demo", f"PYTHON={sys.executable}"],  # noqa: S607
        cwd=folder,
        env=newcomers_environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "Passed:" in result.stdout
    site_packages = next((folder / ".venv" / "lib").glob("python*/site-packages"))
    assert [tool for tool in TOOLS if (site_packages / tool).exists()] == []
    size = sum(file.lstat().st_blocks * 512 for file in (folder / ".venv").rglob("*"))
    assert size < MAX_MEGABYTES * 2**20
