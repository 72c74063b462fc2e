"""Build the bundle for Claude Desktop: `python -m publish.bundle OUTPUT_DIR`.

It contains the wheel, the versions of all its dependencies, the manifest and the icon. Claude Desktop starts it with
its own copy of uv, which installs these versions for the user's operating system and Python.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from publish.locked import LockedPackage, lock
from publish.manifest import ENTRY_POINT, ICON, PLATFORMS, PYTHON, build_manifest
from publish.names import ROOT, Names, read_names
from publish.server_lists import read_server_lists
from publish.wheels import packages_without_wheels

CONSTRAINTS: Final = ROOT / "constraints.txt"
_ICON_SOURCE: Final = ROOT / "server" / "customerio_track_mcp" / "icons" / "icon.png"
_ENTRY_POINT_SOURCE: Final = Path(__file__).with_name("entry_point.py")
_MCPB_FOLDER: Final = Path(__file__).with_name("mcpb")
MCPB: Final = _MCPB_FOLDER / "node_modules" / "@anthropic-ai" / "mcpb" / "dist" / "cli" / "cli.js"
"""The command of the npm package `@anthropic-ai/mcpb`."""

_WHEELS: Final = "wheels"


class BundleError(Exception):
    """The bundle cannot be built, or would not work on some computers."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the bundle, and print its path.

    Returns:
        The exit status: 0 for success, 1 if the bundle cannot be built.
    """
    parser = argparse.ArgumentParser(
        prog="python -m publish.bundle", description="Build the bundle for Claude Desktop."
    )
    parser.add_argument("output", type=Path, metavar="OUTPUT_DIR", help="where to write the bundle")
    parser.add_argument("--wheel", type=Path, metavar="FILE", help="the wheel to use (default: build one)")
    options = parser.parse_args(arguments)
    try:
        print(build_bundle(options.output, options.wheel))
    except BundleError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def build_bundle(output: Path, wheel: Path | None = None) -> Path:
    """Build and validate the bundle.

    Args:
        output: the folder for the bundle, which is created if necessary.
        wheel: the package's wheel; None to build it.

    Returns:
        The path of the bundle.

    Raises:
        BundleError: a tool is missing or fails, a dependency is not pinned, or it has no wheel for a platform.
    """
    pack = _pack_command()
    if wheel is not None and not wheel.is_file():
        raise BundleError(f"--wheel: {wheel} is not a file")
    names = read_names()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / names.project
        (folder / _WHEELS).mkdir(parents=True)
        wheel = wheel or _build_wheel(Path(temporary))
        shutil.copy(wheel, folder / _WHEELS)
        (folder / ENTRY_POINT).parent.mkdir()
        shutil.copy(_ENTRY_POINT_SOURCE, folder / ENTRY_POINT)
        shutil.copy(_ICON_SOURCE, folder / ICON)
        shutil.copy(ROOT / "LICENSE", folder)
        _write_project(folder, names, wheel.name)
        manifest = build_manifest(names, anyio.run(read_server_lists))
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        bundle = (output / names.bundle).absolute()
        _run([*pack, str(folder), str(bundle)], "cannot pack the bundle")
    return bundle


def _pack_command() -> list[str]:
    node = shutil.which("node")
    if node is None or not MCPB.exists():
        folder = _MCPB_FOLDER.relative_to(ROOT).as_posix()
        raise BundleError(f"the tool that packs bundles is not installed; run: npm install --prefix {folder}")
    return [node, str(MCPB), "pack"]


def _build_wheel(temporary: Path) -> Path:
    output = temporary / "built"
    command = [sys.executable, "-m", "uv", "build", "--quiet", "--wheel", "--out-dir", str(output)]
    _run([*command, "--build-constraints", str(CONSTRAINTS), str(ROOT)], "cannot build the wheel")
    (wheel,) = output.glob("*.whl")
    return wheel


def _write_project(folder: Path, names: Names, wheel: str) -> None:
    """Write the project that uv installs, with a constraint for each package that it needs."""
    pins = read_pins()
    _write_pyproject(folder, names, wheel, [str(pin) for pin in pins])
    try:
        packages = lock(folder)
    except subprocess.CalledProcessError as error:
        raise BundleError(f"uv cannot install the bundle; it printed: {error.stderr}") from None
    needed = {package.name for package in packages}
    constraints = [str(pin) for pin in pins if canonicalize_name(pin.name) in needed]
    if problems := [*unpinned_packages(packages, pins), *packages_without_wheels(packages)]:
        raise BundleError("\n".join(problems))
    _write_pyproject(folder, names, wheel, constraints)


def read_pins() -> list[Requirement]:
    """Return what constraints.txt pins: a requirement for each line, some of them with a marker."""
    lines = (line.partition("#")[0].strip() for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


def unpinned_packages(packages: Sequence[LockedPackage], pins: Sequence[Requirement]) -> list[str]:
    """Return a line for each package whose version does not follow from the pins.

    Packages that only other operating systems need are easily missed: they are not installed where pins are tested.
    """
    pinned = {(canonicalize_name(pin.name), str(pin.specifier)) for pin in pins}
    return [
        f"{package.name} {package.version} is not pinned in {CONSTRAINTS.name}; add a line for it"
        for package in packages
        if (package.name, f"=={package.version}") not in pinned
    ]


def _write_pyproject(folder: Path, names: Names, wheel: str, constraints: Sequence[str]) -> None:
    environments = [f"sys_platform == '{platform}'" for platform in PLATFORMS]
    text = f"""\
[project]
name = "{names.project}-bundle"
version = "{names.version}"
requires-python = "{PYTHON}"
dependencies = ["{names.project}=={names.version}"]

[tool.uv]
package = false
environments = {_toml_list(environments)}
constraint-dependencies = {_toml_list(constraints)}

[tool.uv.sources]
{names.project} = {{ path = "{_WHEELS}/{wheel}" }}
"""
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")


def _toml_list(items: Sequence[str]) -> str:
    # A JSON string without control characters is a TOML string.
    return "[\n" + "".join(f"    {json.dumps(item)},\n" for item in items) + "]"


def _run(command: Sequence[str], otherwise: str) -> None:
    completed = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if completed.returncode != 0:
        raise BundleError(f"{otherwise}:\n{completed.stdout}{completed.stderr}")


if __name__ == "__main__":
    raise SystemExit(main())
