"""The path of this program that is written into a configuration."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from customerio_track_mcp.hosts.errors import ProgramError
from customerio_track_mcp.hosts.program import installed_program, require_lasting


def test_installed_program_is_an_absolute_path_that_can_be_started() -> None:
    program = installed_program()
    assert program.is_absolute()
    assert ".." not in program.parts
    assert program.stem == "customerio-track-mcp"
    assert os.access(program, os.X_OK)


@pytest.mark.parametrize(
    ("environment", "tag"),
    [
        (".cache/uv/archive-v0/abc", ".cache/uv"),
        ("AppData/Local/uv/cache/environments-v2/abc", "AppData/Local/uv/cache"),
        (".cache/pipx/abc", None),
        (".local/pipx/.cache/abc", None),
        ("Library/Caches/pipx/abc", None),
        ("AppData/Local/pipx/pipx/Cache/abc", None),
    ],
)
def test_a_temporary_environment_is_refused_with_advice(tmp_path: Path, environment: str, tag: str | None) -> None:
    folder = tmp_path / environment
    folder.mkdir(parents=True)
    if tag is not None:
        (tmp_path / tag / "CACHEDIR.TAG").touch()
    with pytest.raises(ProgramError, match=r"temporary environment .* 'uv tool install customerio-track-mcp'"):
        require_lasting(folder)


@pytest.mark.parametrize(
    "environment",
    ["shop/.venv", ".local/share/uv/tools/customerio-track-mcp", ".local/share/pipx/venvs/customerio-track-mcp"],
)
def test_an_environment_that_lasts_is_accepted(tmp_path: Path, environment: str) -> None:
    folder = tmp_path / environment
    folder.mkdir(parents=True)
    (folder / "CACHEDIR.TAG").touch()  # as uv marks each virtual environment
    require_lasting(folder)
