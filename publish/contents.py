"""What the wheel and the sdist must contain: files that Git tracks, and the metadata that the build backend adds."""

from __future__ import annotations

import subprocess
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final

from publish.names import ROOT, Names, read_names

_SOURCE: Final = "server/"
_METADATA: Final = (
    "METADATA",
    "RECORD",
    "WHEEL",
    "entry_points.txt",
    "licenses/LICENSE",
    "licenses/server/customerio_track_mcp/sandbox/page/vendor/lit-html/LICENSE",
)
_ADDED_TO_SDIST: Final = (".gitignore", "PKG-INFO", "pyproject.toml")
"""By hatchling, whatever `include` says. It reads .gitignore when it builds the wheel from the sdist."""


class ContentsError(Exception):
    """An archive contains a file that it must not contain, or lacks one."""


def tracked_files() -> list[str]:
    """Return the paths of the checkout's files that are committed or staged.

    Raises:
        subprocess.CalledProcessError: this is not a Git checkout.
    """
    command = ["git", "ls-files", "-z", "--cached"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    return [name for name in listed.stdout.split("\0") if name]


def expected_in_wheel(files: Iterable[str], names: Names) -> set[str]:
    """Return the members of the wheel that is built from a checkout with these files: the package, and metadata."""
    information = f"{_stem(names)}.dist-info"
    return {name.removeprefix(_SOURCE) for name in files if name.startswith(_SOURCE)} | {
        f"{information}/{name}" for name in _METADATA
    }


def expected_in_sdist(files: Iterable[str], pyproject: Path = ROOT / "pyproject.toml") -> set[str]:
    """Return the members of the sdist, below its folder: what pyproject.toml includes, and metadata."""
    content = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    included = content["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    return {name for name in files if f"/{PurePosixPath(name).parts[0]}" in included} | set(_ADDED_TO_SDIST)


def check_contents(output: Path, files: Iterable[str]) -> None:
    """Check the wheel and the sdist in a folder.

    Args:
        output: the folder.
        files: the paths of the checkout's files.

    Raises:
        ContentsError: naming each file that an archive must not contain or lacks.
    """
    names = read_names()
    files = list(files)
    wheel, sdist = archives(output, names)
    with zipfile.ZipFile(wheel) as unzipped:
        in_wheel = {name for name in unzipped.namelist() if not name.endswith("/")}
    with tarfile.open(sdist) as untarred:
        in_sdist = {member.name.removeprefix(f"{_stem(names)}/") for member in untarred if not member.isdir()}
    problems = [
        *_differences(wheel.name, in_wheel, expected_in_wheel(files, names)),
        *_differences(sdist.name, in_sdist, expected_in_sdist(files)),
    ]
    if problems:
        raise ContentsError("\n".join(problems))


def archives(output: Path, names: Names) -> tuple[Path, Path]:
    """Return the paths of the wheel and of the sdist in a folder."""
    return output / f"{_stem(names)}-py3-none-any.whl", output / f"{_stem(names)}.tar.gz"


def _stem(names: Names) -> str:
    return f"{names.project.replace('-', '_')}-{names.version}"


def _differences(archive: str, found: set[str], expected: set[str]) -> list[str]:
    return [f"{archive}: contains {name}, which Git does not track" for name in sorted(found - expected)] + [
        f"{archive}: lacks {name}" for name in sorted(expected - found)
    ]
