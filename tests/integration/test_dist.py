"""The wheel and the sdist: what they contain, and what a new user gets from them or from a checkout."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path
from typing import Final

import pytest

from publish.contents import ContentsError, archives, check_contents, expected_in_wheel
from publish.dist import build_archives
from publish.names import read_names
from publish.trial import new_users_environment, try_archive
from tests.support.checkout import copy_checkout
from tests.support.documents import ROOT

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
UV: Final = [sys.executable, "-m", "uv"]
COMMAND: Final = "customerio-track-mcp"
PRIVATE: Final = "private-text-that-must-not-be-published"
PRIVATE_FILES: Final = (
    ".env",
    ".git/config",
    ".venv/lib/secret.py",
    "build/secret.py",
    "deploy/.env",
    "deploy/prometheus/metrics-token",
    "deploy/tokens/tokens",
    "dist/customerio_track_mcp-0.0.1.tar.gz",
    "notes/README.md",
    "secrets.toml",
    "server/customerio_track_mcp/__pycache__/runtime.cpython-311.pyc",
    "server/customerio_track_mcp/.env",
    "tests/integration/conformance/node_modules/secret/index.js",
    "tests/.pytest_cache/secret",
    "tests/data/.coverage.host",
)
"""What a checkout can contain besides what Git tracks."""

TOP_OF_SDIST: Final = {
    ".dockerignore",
    ".env.example",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Dockerfile",
    "LICENSE",
    "Makefile",
    "PKG-INFO",
    "README.md",
    "RELEASING.md",
    "SECURITY.md",
    "benchmarks",
    "constraints.txt",
    "deploy",
    "docs",
    "fuzz",
    "publish",
    "pyproject.toml",
    "server",
    "server.json",
    "tests",
}


@dataclass(frozen=True)
class Built:
    """A checkout with private files in it, its tracked files, and the folder with what was built from it."""

    checkout: Path
    files: list[str]
    output: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    checkout = copy_checkout(tmp_path_factory.mktemp("checkout"))
    files = [path.relative_to(checkout).as_posix() for path in checkout.rglob("*") if path.is_file()]
    for name in PRIVATE_FILES:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(PRIVATE, encoding="utf-8")
    output = tmp_path_factory.mktemp("output")
    build_archives(checkout, output)
    return Built(checkout, files, output)


def test_archives_contain_what_git_tracks_and_nothing_else(built: Built) -> None:
    check_contents(built.output, built.files)
    wheel, sdist = archives(built.output, read_names())
    with zipfile.ZipFile(wheel) as unzipped:
        information = f"{wheel.name.removesuffix('-py3-none-any.whl')}.dist-info"
        assert {name.split("/")[0] for name in unzipped.namelist()} == {"customerio_track_mcp", information}
        assert not any(PRIVATE.encode() in unzipped.read(name) for name in unzipped.namelist())
    with tarfile.open(sdist) as untarred:
        members = [member for member in untarred if member.isfile()]
        assert {member.name.split("/")[1] for member in members} == TOP_OF_SDIST
        for member in members:
            file = untarred.extractfile(member)
            assert file is not None
            # The tests contain the text too.
            assert PRIVATE.encode() not in file.read() or member.name.endswith(Path(__file__).name)


def test_file_that_must_not_be_in_an_archive_or_is_missing_is_reported(built: Built) -> None:
    wheel, sdist = archives(built.output, read_names())
    module = "server/customerio_track_mcp/runtime.py"
    with pytest.raises(ContentsError) as unexpected:
        check_contents(built.output, set(built.files) - {module})
    assert str(unexpected.value).splitlines() == [
        f"{wheel.name}: contains customerio_track_mcp/runtime.py, which Git does not track",
        f"{sdist.name}: contains {module}, which Git does not track",
    ]
    with pytest.raises(ContentsError) as missing:
        check_contents(built.output, [*built.files, "docs/new.md"])
    assert str(missing.value) == f"{sdist.name}: lacks docs/new.md"


def test_members_have_the_time_of_the_commit(built: Built) -> None:
    command = ["git", "log", "-1", "--format=%ct"]
    committed = int(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    with tarfile.open(archives(built.output, read_names())[1]) as untarred:
        assert {member.mtime for member in untarred} == {committed}


def test_metadata_names_every_license_script_and_python(built: Built) -> None:
    with zipfile.ZipFile(archives(built.output, read_names())[0]) as wheel:
        information = next(name for name in expected_in_wheel(built.files, read_names()) if name.endswith("METADATA"))
        metadata = Parser().parsestr(wheel.read(information).decode())
        scripts = wheel.read(information.replace("METADATA", "entry_points.txt")).decode()
    assert metadata["Name"] == COMMAND
    assert metadata["License-Expression"] == "MIT AND BSD-3-Clause"
    assert metadata["Requires-Python"] == ">=3.11"
    assert scripts.splitlines() == [
        "[console_scripts]",
        f"{COMMAND} = customerio_track_mcp.__main__:main",
        "",
        "[pytest11]",
        "customerio_sandbox = customerio_track_mcp.pytest_plugin",
    ]


def test_wheel_serves_a_new_user(built: Built, tmp_path: Path) -> None:
    try_archive(archives(built.output, read_names())[0], tmp_path)


def test_uv_tool_installs_the_command_from_a_checkout(built: Built, tmp_path: Path) -> None:
    run_as_new_user([*UV, "tool", "install", "--python", sys.executable, str(built.checkout)], tmp_path)
    installed = run_as_new_user([str(tmp_path / ".local" / "bin" / COMMAND), "--version"], tmp_path)
    assert installed.stdout == f"{COMMAND} {read_names().version}\n"


def test_uvx_runs_a_checkout_as_it_is_now(built: Built, tmp_path: Path) -> None:
    run = [*UV, "tool", "run", "--python", sys.executable, "--from", str(built.checkout), COMMAND, "--version"]
    assert run_as_new_user(run, tmp_path).stdout == f"{COMMAND} {read_names().version}\n"
    with (built.checkout / "server" / "customerio_track_mcp" / "__init__.py").open("a", encoding="utf-8") as module:
        module.write('\n__version__ = "changed"\n')
    assert run_as_new_user(run, tmp_path).stdout == f"{COMMAND} changed\n"


def run_as_new_user(command: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    env = new_users_environment(home)
    result = subprocess.run(command, cwd=home, env=env, capture_output=True, encoding="utf-8", check=False)
    assert result.returncode == 0, result.stderr
    return result
