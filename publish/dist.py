"""Build a release and try it: `python -m publish.dist OUTPUT_DIR`.

It builds the wheel, the sdist and the bundle, checks what the first two contain, installs each one into an empty
environment, and makes a call against the sandbox.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from publish.bundle import BundleError, build_bundle
from publish.contents import ContentsError, archives, check_contents, tracked_files
from publish.names import ROOT, read_names
from publish.trial import TrialError, try_archive, try_bundle


class BuildError(Exception):
    """The wheel or the sdist cannot be built."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build a release and try it.

    Returns:
        The exit status: 0 for success; 1 if something cannot be built, contains the wrong files or does not work.
    """
    parser = argparse.ArgumentParser(prog="python -m publish.dist", description="Build a release and try it.")
    parser.add_argument("output", type=Path, metavar="OUTPUT_DIR", help="where to write the files")
    output: Path = parser.parse_args(arguments).output.absolute()
    try:
        build_archives(ROOT, output)
        check_contents(output, tracked_files())
        wheel, sdist = archives(output, read_names())
        _try(wheel, try_archive)
        _try(sdist, try_archive)
        _try(build_bundle(output, wheel), try_bundle)
    except (BuildError, BundleError, ContentsError, TrialError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def build_archives(source: Path, output: Path) -> None:
    """Build the sdist, and the wheel from it. The same commit gives the same bytes.

    Args:
        source: the folder with pyproject.toml and constraints.txt, which pins the build backend.
        output: the folder for both.

    Raises:
        BuildError: the build fails.
    """
    command = [sys.executable, "-m", "uv", "build", "--quiet", "--build-constraints", "constraints.txt"]
    completed = subprocess.run(
        [*command, "--out-dir", str(output), str(source)],
        cwd=source,
        env=os.environ | {"SOURCE_DATE_EPOCH": _commit_time()},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if completed.returncode != 0:
        raise BuildError(completed.stderr)


def _commit_time() -> str:
    """Return the UNIX seconds of the last commit, which become those of the archives' members."""
    command = ["git", "log", "-1", "--format=%ct"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True).stdout.strip()


def _try(built: Path, in_new_home: Callable[[Path, Path], None]) -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        in_new_home(built, Path(home))
    print(f"{built.name}: installed into an empty environment, started and called in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    raise SystemExit(main())
