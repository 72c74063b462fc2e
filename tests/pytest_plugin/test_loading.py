"""What the plugin costs a project that does not use it, and how pytest imports the package."""

from __future__ import annotations

import os
import shutil
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

import pytest

import customerio_track_mcp
from tests.pytest_plugin.projects import Project

PLUGIN: Final = {"customerio_track_mcp", "customerio_track_mcp.pytest_plugin"}


def test_unused_plugin_imports_nothing_but_itself(project: Project) -> None:
    project.add(
        "conftest.py",
        """
        import sys, threading

        def pytest_unconfigure(config):
            print("modules:", *sorted(sys.modules))
            print("threads:", threading.active_count())
        """,
    )
    project.add("test_other.py", "def test_other(tmp_path):\n    assert tmp_path.exists()\n")
    modules = {}
    for option in ("customerio_sandbox", "no:customerio_sandbox"):
        # Without other plugins, which may import the same modules.
        outcome = project.run("-s", "-p", option, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
        assert "threads: 1\n" in outcome.output
        (line,) = [line for line in outcome.output.splitlines() if line.startswith("modules: ")]
        modules[option] = set(line.split()[1:])
    assert modules["customerio_sandbox"] - modules["no:customerio_sandbox"] == PLUGIN


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the package and its metadata as a wheel installs them, whose files pytest finds by the metadata."""
    for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):  # whose report would lack the copied files
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "site-packages"
    (source,) = customerio_track_mcp.__path__
    shutil.copytree(source, folder / "customerio_track_mcp", ignore=shutil.ignore_patterns("__pycache__"))
    information = folder / "customerio_track_mcp-0.1.0.dist-info"
    information.mkdir()
    for name in ("METADATA", "entry_points.txt"):
        text = distribution("customerio-track-mcp").read_text(name)
        assert text is not None
        (information / name).write_text(text, encoding="utf-8")
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    (information / "RECORD").write_text("".join(f"{name},,\n" for name in files), encoding="utf-8")
    return folder


def test_package_is_not_rewritten_and_is_compiled_once(project: Project, installed: Path) -> None:
    project.add("conftest.py", "import customerio_track_mcp.track\n")
    project.add(
        "test_app.py",
        f"""
        import sys
        from importlib.machinery import SourceFileLoader

        def test_app(customerio_sandbox):
            prefix = "customerio_track_mcp."
            modules = {{name: module for name, module in sys.modules.items() if name.startswith(prefix)}}
            assert modules["customerio_track_mcp.sandbox"].__file__.startswith({str(installed)!r})
            assert "customerio_track_mcp.track" in modules
            rewritten = {{name for name, module in modules.items() if type(module.__loader__) is not SourceFileLoader}}
            assert rewritten - {{"customerio_track_mcp.pytest_plugin"}} == set()

        def test_assertions_of_the_project_are_rewritten():
            left = "one"
            try:
                assert left == "two"
            except AssertionError as error:
                assert "'one' == 'two'" in str(error)
        """,
    )
    outcome = project.run(PYTHONPATH=str(installed))
    assert outcome.counts == {"passed": 2}, outcome.output


def test_package_that_was_imported_before_pytest_starts_is_accepted(project: Project, installed: Path) -> None:
    project.add("test_app.py", "def test_app(customerio_sandbox):\n    assert customerio_sandbox.url\n")
    project.add("sitecustomize.py", "import customerio_track_mcp.sandbox\n")
    outcome = project.run("-W", "error", PYTHONPATH=os.pathsep.join([str(installed), str(project.folder)]))
    assert outcome.counts == {"passed": 1}, outcome.output


@pytest.mark.parametrize(
    "test",
    [
        "def test_app(customerio_sandbox):\n    assert customerio_sandbox.url\n",
        "import sys\n\ndef test_finder_is_removed():\n    del sys.meta_path[0]\n",
    ],
)
def test_imports_are_as_before_when_pytest_has_ended(project: Project, test: str) -> None:
    project.add(
        "run.py",
        """
        import sys
        import pytest

        before = list(sys.meta_path)
        for _ in range(2):
            assert pytest.main(["-p", "no:cacheprovider"]) == 0
            assert sys.meta_path == before, sys.meta_path
        """,
    )
    project.add("test_app.py", test)
    completed = project.run_python("run.py")
    assert completed.returncode == 0, completed.stdout
