"""The path of this program that a host can start it with, for as long as it is installed."""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from customerio_track_mcp.hosts.entries import PROGRAM
from customerio_track_mcp.hosts.errors import ProgramError

_CACHE_TAG: Final = "CACHEDIR.TAG"
"""Marks a folder as a cache (https://bford.info/cachedir/): uv's, which contains the environments of uvx, too."""
_PIPX_CACHES: Final = frozenset({".cache", "cache", "caches"})
_INSTALL: Final = "'uv tool install customerio-track-mcp' or 'pipx install customerio-track-mcp'"


def installed_program() -> Path:
    """Return the absolute path of the console script of this installation.

    A path in a virtual environment is one that lasts. Symbolic links are not followed.

    Raises:
        ProgramError: the environment is a temporary one, as uvx and 'pipx run' create, or has no console script.
    """
    require_lasting(Path(sys.prefix))
    script = _console_script()
    if script is None:
        raise ProgramError(f"the command {PROGRAM} is not installed in {sys.prefix}: install it with {_INSTALL}")
    try:
        str(script).encode()
    except UnicodeEncodeError:
        raise ProgramError("the path of this program is not valid UTF-8: install it in another folder") from None
    return script


def require_lasting(environment: Path) -> None:
    """Check that an environment is not in a cache, from which it may be deleted at any time.

    Args:
        environment: its folder. A tag in that folder itself does not count: uv marks each virtual environment.

    Raises:
        ProgramError: it is in a cache.
    """
    folder = environment.resolve()
    is_uvx = any((parent / _CACHE_TAG).is_file() for parent in folder.parents)
    names = {name.lower() for name in folder.parts}
    if is_uvx or ("pipx" in names and names & _PIPX_CACHES):
        raise ProgramError(
            f"this program runs from a temporary environment ({folder}), which may be deleted at any time: install it "
            f"first, with {_INSTALL}, and run '{PROGRAM} install' again"
        )


def _console_script() -> Path | None:
    try:
        files = [Path(str(file.locate())) for file in distribution(PROGRAM).files or ()]
    except PackageNotFoundError:
        return None
    names = {PROGRAM, f"{PROGRAM}.exe"}
    # Symbolic links stay: one to the installation is a more stable name than what it leads to today. The record of an
    # installation contains `..`, which normpath removes.
    paths = (Path(os.path.normpath(path.absolute())) for path in files if path.name.lower() in names)
    return next((path for path in paths if path.is_file()), None)
