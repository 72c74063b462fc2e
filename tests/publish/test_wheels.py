"""Which packages have no wheel for a supported environment."""

from __future__ import annotations

from itertools import product

import pytest
from packaging.requirements import Requirement

from publish.locked import LockedPackage
from publish.wheels import PLATFORMS, PYTHON_VERSIONS, packages_without_wheels

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
WINDOWS, MAC_ARM, MAC_INTEL, LINUX, LINUX_ARM = (platform.name for platform in PLATFORMS)
EVERYWHERE = set(product((WINDOWS, MAC_ARM, MAC_INTEL, LINUX, LINUX_ARM), PYTHONS))


def missing(*tags: str, marker: str = "") -> set[tuple[str, str]]:
    """Return the environments in which a package that has a wheel for each of these tags cannot be installed."""
    requirement = Requirement(f"pack==1.0{marker and f' ; {marker}'}")
    package = LockedPackage("pack", "1.0", requirement, [f"pack-1.0-{tag}.whl" for tag in tags])
    lines = packages_without_wheels([package])
    prefix = "pack 1.0 has no wheel for "
    assert all(line.startswith(prefix) for line in lines)
    return {(name, python) for name, _, python in (line[len(prefix) :].partition(" and Python ") for line in lines)}


def on(*platforms: str) -> set[tuple[str, str]]:
    return set(product(platforms, PYTHONS))


def test_every_python_is_checked() -> None:
    assert [f"{major}.{minor}" for major, minor in PYTHON_VERSIONS] == PYTHONS


@pytest.mark.parametrize("tag", ["py3-none-any", "py2.py3-none-any", "cp311.cp312.cp313.cp314-none-any"])
def test_pure_python_has_a_wheel_everywhere(tag: str) -> None:
    assert missing(tag) == set()


@pytest.mark.parametrize(
    ("tag", "platforms"),
    [
        ("cp39-abi3-win_amd64", [WINDOWS]),
        ("py3-none-win_amd64", [WINDOWS]),
        ("cp311-abi3-macosx_11_0_arm64", [MAC_ARM]),
        ("cp311-abi3-macosx_10_9_universal2", [MAC_ARM, MAC_INTEL]),
        ("cp311-abi3-macosx_10_13_x86_64", [MAC_INTEL]),
        ("cp311-abi3-macosx_12_0_arm64", []),
        ("cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64", [LINUX]),
        ("cp311-abi3-manylinux_2_28_aarch64", [LINUX_ARM]),
        ("cp311-abi3-manylinux_2_34_x86_64", []),
        ("cp311-abi3-musllinux_1_2_x86_64", []),
        ("cp311-abi3-win32", []),
        ("cp311-abi3-win_arm64", []),
        ("pp311-pypy311_pp73-win_amd64", []),
        ("cp314-cp314t-win_amd64", []),
    ],
)
def test_wheel_serves_the_platforms_of_its_tag_alone(tag: str, platforms: list[str]) -> None:
    assert missing(tag) == EVERYWHERE - on(*platforms)


@pytest.mark.parametrize("python", PYTHONS)
def test_wheel_of_one_python_serves_no_other(python: str) -> None:
    interpreter = "cp" + python.replace(".", "")
    assert missing(f"{interpreter}-{interpreter}-win_amd64") == EVERYWHERE - {(WINDOWS, python)}


def test_package_without_any_wheel_is_missing_everywhere() -> None:
    assert missing() == EVERYWHERE


@pytest.mark.parametrize(
    ("marker", "needed"),
    [
        ("sys_platform == 'win32'", on(WINDOWS)),
        ("platform_system == 'Darwin'", on(MAC_ARM, MAC_INTEL)),
        ("sys_platform == 'darwin' and platform_machine == 'x86_64'", on(MAC_INTEL)),
        ("os_name == 'posix'", EVERYWHERE - on(WINDOWS)),
        ("python_version < '3.13'", {(name, python) for name, python in EVERYWHERE if python < "3.13"}),
        ("python_full_version >= '3.14'", {(name, python) for name, python in EVERYWHERE if python == "3.14"}),
        ("platform_python_implementation == 'PyPy'", set()),
        ("sys_platform == 'emscripten'", set()),
    ],
)
def test_wheel_is_only_missing_where_the_package_is_needed(marker: str, needed: set[tuple[str, str]]) -> None:
    assert missing(marker=marker) == needed
