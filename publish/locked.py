"""The versions that uv installs for a project, with the wheels that the package index has for each.

The lock file is only read. It is not published: it names the index that was used.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """One version of a package that some environment needs.

    Attributes:
        name: its normalized name.
        version: its version.
        requirement: the requirement for exactly this version, with a marker for the environments that need it.
        wheels: the file names of its wheels.
    """

    name: str
    version: str
    requirement: Requirement
    wheels: Sequence[str]

    def is_needed_in(self, environment: Mapping[str, str]) -> bool:
        """Return whether an environment, by its marker variables, needs this version."""
        marker = self.requirement.marker
        return marker is None or marker.evaluate({**environment})


def lock(project: Path) -> list[LockedPackage]:
    """Return what uv installs for a project, without the packages that the project contains itself.

    Args:
        project: a folder with pyproject.toml. It is not changed.

    Raises:
        subprocess.CalledProcessError: uv finds no solution, or does not reach the package index.
    """
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "project"
        shutil.copytree(project, copy)
        _uv("lock", cwd=copy)
        exported = _uv("export", "--frozen", "--no-hashes", "--no-header", "--no-annotate", "--no-emit-local", cwd=copy)
        locked = tomllib.loads((copy / "uv.lock").read_text(encoding="utf-8"))
    wheels = {
        (package["name"], package["version"]): [_file_name(wheel) for wheel in package.get("wheels", [])]
        for package in locked["package"]
    }
    packages = []
    for line in exported.splitlines():
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        (specifier,) = requirement.specifier
        packages.append(LockedPackage(name, specifier.version, requirement, wheels[name, specifier.version]))
    return packages


def _uv(*arguments: str, cwd: Path) -> str:
    command = [sys.executable, "-m", "uv", "--quiet", *arguments, "--python", sys.executable]
    return subprocess.run(command, cwd=cwd, capture_output=True, encoding="utf-8", check=True).stdout


def _file_name(wheel: Mapping[str, str]) -> str:
    # An index on the network has a URL, one in the file system a path or a file name.
    return Path(unquote(urlsplit(wheel.get("url") or wheel.get("path") or wheel["filename"]).path)).name
