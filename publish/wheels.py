"""The environments that the bundle supports, and which packages have no wheel for one of them.

Without a wheel, uv builds the package from its source, which needs a compiler: most users of Claude Desktop have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import Final

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import parse_wheel_filename

from publish.locked import LockedPackage

PYTHON_VERSIONS: Final = ((3, 11), (3, 12), (3, 13), (3, 14))
_OLDEST_MACOS: Final = (11, 0)
"""The oldest macOS that Claude Desktop runs on. It runs on Macs with Intel processors too."""

_OLDEST_GLIBC: Final = 28
"""The minor version of glibc 2 in Debian 10 and RHEL 8, the oldest that current tools build wheels for."""


@dataclass(frozen=True, slots=True)
class Platform:
    """An operating system on a kind of processor.

    Attributes:
        name: its name, for people.
        markers: the variables of environment markers that depend on it.
        tags: the platform tags of wheels that run on it.
    """

    name: str
    markers: Mapping[str, str]
    tags: Sequence[str]


def _platform(name: str, sys_platform: str, system: str, machine: str, tags: Iterable[str]) -> Platform:
    os_name = "nt" if sys_platform == "win32" else "posix"
    markers = {
        "os_name": os_name,
        "sys_platform": sys_platform,
        "platform_system": system,
        "platform_machine": machine,
        "platform_release": "",
        "platform_version": "",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    return Platform(name, markers, tuple(tags))


def _linux_tags(machine: str) -> Iterator[str]:
    yield from (f"manylinux_2_{minor}_{machine}" for minor in range(_OLDEST_GLIBC, 16, -1))
    yield from (f"manylinux2014_{machine}", f"manylinux2010_{machine}", f"manylinux1_{machine}", f"linux_{machine}")


PLATFORMS: Final = (
    _platform("Windows x86-64", "win32", "Windows", "AMD64", ["win_amd64"]),
    _platform("macOS arm64", "darwin", "Darwin", "arm64", mac_platforms(_OLDEST_MACOS, "arm64")),
    _platform("macOS x86-64", "darwin", "Darwin", "x86_64", mac_platforms(_OLDEST_MACOS, "x86_64")),
    _platform("Linux x86-64", "linux", "Linux", "x86_64", _linux_tags("x86_64")),
    _platform("Linux arm64", "linux", "Linux", "aarch64", _linux_tags("aarch64")),
)


def packages_without_wheels(packages: Sequence[LockedPackage]) -> list[str]:
    """Return a line for each package that an environment needs and for which it has no wheel."""
    return [
        f"{package.name} {package.version} has no wheel for {platform.name} and Python {_dotted(python)}"
        for platform, python in product(PLATFORMS, PYTHON_VERSIONS)
        for tags in [_tags(platform, python)]
        for package in packages
        if package.is_needed_in(_environment(platform, python))
        and not any(tags & parse_wheel_filename(wheel)[3] for wheel in package.wheels)
    ]


def _tags(platform: Platform, python: tuple[int, int]) -> frozenset[Tag]:
    interpreter = f"cp{python[0]}{python[1]}"
    return frozenset(
        chain(
            cpython_tags(python, platforms=platform.tags),
            compatible_tags(python, interpreter, platforms=platform.tags),
        )
    )


def _environment(platform: Platform, python: tuple[int, int]) -> dict[str, str]:
    version = _dotted(python)
    full = f"{version}.0"
    versions = {"python_version": version, "python_full_version": full, "implementation_version": full}
    return {**platform.markers, **versions}


def _dotted(python: tuple[int, int]) -> str:
    return ".".join(map(str, python))
