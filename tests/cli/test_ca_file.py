"""Where the CA certificate of `sandbox --tls` is written, and which files are never replaced."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import trustme

from customerio_track_mcp.cli.ca_file import write_ca_file
from customerio_track_mcp.sandbox.certificate import create_certificate
from customerio_track_mcp.settings.errors import SettingsError

PEM = create_certificate([]).ca_pem
NEXT_PEM = create_certificate([]).ca_pem
on_posix = pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    return tmp_path


def problem_with(path: Path | None) -> str:
    with pytest.raises(SettingsError) as error:
        write_ca_file(path, 1, PEM)
    (problem,) = error.value.problems
    return problem


def test_the_default_file_is_the_same_at_each_start_and_another_one_for_each_port(home: Path) -> None:
    path = write_ca_file(None, 8765, PEM)
    assert path == home / ".customerio-track-mcp" / "sandbox-ca-8765.pem"
    assert write_ca_file(None, 8765, NEXT_PEM) == path
    assert path.read_bytes() == NEXT_PEM
    other = write_ca_file(None, 8766, PEM)
    assert [path.read_bytes(), other.read_bytes()] == [NEXT_PEM, PEM]
    assert sorted(path.parent.iterdir()) == [path, other]


@on_posix
def test_nobody_else_can_write_to_the_default_folder(home: Path) -> None:
    before = os.umask(0)
    try:
        path = write_ca_file(None, 8765, PEM)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    path.parent.chmod(0o777)
    folder = home / ".customerio-track-mcp"
    assert problem_with(None) == (
        f"--ca-file: other users can write to {folder}; run chmod 700 on it, or name another file with --ca-file"
    )


@on_posix
def test_user_without_a_home_folder_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "")
    expected = "--ca-file: this user has no home folder: set HOME, or name another file with --ca-file"
    assert problem_with(None) == expected


def test_a_home_folder_that_cannot_be_written_is_reported(home: Path) -> None:
    (home / ".customerio-track-mcp").touch()
    problem = problem_with(None)
    assert problem.startswith(f"--ca-file: {home / '.customerio-track-mcp'} cannot be created: File exists; name")


def test_a_named_file_is_written_below_the_working_directory(tmp_path: Path) -> None:
    assert write_ca_file(Path("ca.pem"), 1, PEM) == tmp_path / "ca.pem"
    assert (tmp_path / "ca.pem").read_bytes() == PEM


def test_an_empty_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    assert write_ca_file(tmp_path / "ca.pem", 1, PEM).read_bytes() == PEM


@pytest.mark.parametrize(
    "content",
    [
        b"notes",
        trustme.CA(organization_name="Example Ltd").cert_pem.bytes(),
        PEM + trustme.CA().cert_pem.bytes(),
        PEM + b" " * 20_000,
        b"\xff\x00",
    ],
)
def test_a_file_with_anything_else_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "company-ca.pem"
    path.write_bytes(content)
    assert problem_with(path) == (
        f"--ca-file: {path} exists and is not the CA certificate of a sandbox, which is written to this file; name "
        "another file with --ca-file, or delete it"
    )
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@on_posix
def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target.pem").write_bytes(PEM)
    link = tmp_path / "ca.pem"
    link.symlink_to("target.pem")
    assert problem_with(link) == f"--ca-file: {link} is not a regular file; name another file with --ca-file"
    assert (tmp_path / "target.pem").read_bytes() == PEM


def test_a_folder_is_reported(tmp_path: Path) -> None:
    assert problem_with(tmp_path) == f"--ca-file: {tmp_path} is not a regular file; name another file with --ca-file"


def test_a_folder_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "ca.pem"
    assert problem_with(path) == (
        f"--ca-file: {path} cannot be written: No such file or directory; name another file with --ca-file"
    )
