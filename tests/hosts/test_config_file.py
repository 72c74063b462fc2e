"""Reading and replacing a configuration file."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

import pytest

from customerio_track_mcp.hosts.config_file import MAX_BYTES, ConfigFile
from customerio_track_mcp.hosts.errors import ConfigFileError

POSIX: Final = pytest.mark.skipif(os.name != "posix", reason="Windows has no file modes, and no FIFOs")
NOBODY: Final = 65534


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder with spaces" / "config.json"


@pytest.fixture
def existing(path: Path) -> Path:
    path.parent.mkdir()
    path.write_bytes(b"{}\r\n")
    return path


def test_a_missing_file_is_created_with_its_folder(path: Path) -> None:
    file = ConfigFile.read(path)
    assert (file.text, file.backups()) == ("", [])
    assert file.write('{"ü": 1}\n', private=False) is None
    assert path.read_bytes() == '{"ü": 1}\n'.encode()
    assert list(path.parent.iterdir()) == [path]


def test_the_former_file_is_kept_once_for_each_content(existing: Path) -> None:
    first = ConfigFile.read(existing).write("1", private=False)
    second = ConfigFile.read(existing).write("{}\r\n", private=False)
    third = ConfigFile.read(existing).write("2", private=False)
    assert first is not None
    assert second is not None
    assert (first.read_bytes(), second.read_bytes(), existing.read_bytes()) == (b"{}\r\n", b"1", b"2")
    assert third == first
    assert ConfigFile.read(existing).backups() == sorted([first, second], reverse=True)
    assert len(list(existing.parent.iterdir())) == 3


def test_a_byte_order_mark_and_line_ends_stay(existing: Path) -> None:
    existing.write_bytes(b"\xef\xbb\xbf{}\r\n")
    file = ConfigFile.read(existing)
    assert file.text == "{}\r\n"
    file.write('{"a": 1}\r\n', private=False)
    assert existing.read_bytes() == b'\xef\xbb\xbf{"a": 1}\r\n'


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o666])
def test_mode_stays_unless_there_is_a_secret(existing: Path, mode: int) -> None:
    existing.chmod(mode)
    backup = ConfigFile.read(existing).write("1", private=False)
    assert backup is not None
    assert mode_of(existing) == mode
    assert mode_of(backup) == 0o600
    ConfigFile.read(existing).write("2", private=True)
    assert mode_of(existing) == 0o600


@POSIX
def test_a_new_file_with_a_secret_is_private(path: Path) -> None:
    ConfigFile.read(path).write("1", private=True)
    assert mode_of(path) == 0o600
    other = path.with_name("other")
    ConfigFile.read(other).write("1", private=False)
    mask = os.umask(0)
    os.umask(mask)
    assert mode_of(other) == 0o666 & ~mask


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files to others")
def test_owner_stays(existing: Path) -> None:
    os.chown(existing, NOBODY, NOBODY)
    backup = ConfigFile.read(existing).write("1", private=True)
    assert backup is not None
    assert [(file.stat().st_uid, file.stat().st_gid) for file in (existing, backup)] == [(NOBODY, NOBODY)] * 2


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files to others")
def test_what_is_created_in_a_user_s_folder_belongs_to_the_user(tmp_path: Path) -> None:
    """As with `sudo`, which may keep HOME: the host could not write a folder of root."""
    os.chown(tmp_path, NOBODY, NOBODY)
    path = tmp_path / "a" / "b" / "config.json"
    ConfigFile.read(path).write("1", private=True)
    assert {found.stat().st_uid for found in [path, *path.parents[:3]]} == {NOBODY}
    assert mode_of(path) == 0o600


@pytest.mark.parametrize("change", ["content", "deleted", "created"])
def test_a_file_that_another_program_changes_meanwhile_is_left(path: Path, change: str) -> None:
    path.parent.mkdir()
    if change != "created":
        path.write_bytes(b"1")
    file = ConfigFile.read(path)
    if change == "deleted":
        path.unlink()
    else:
        path.write_bytes(b"2")
    before = sorted(path.parent.iterdir())
    with pytest.raises(ConfigFileError, match="was changed by another program meanwhile"):
        file.write("3", private=False)
    assert sorted(path.parent.iterdir()) == before
    assert change == "deleted" or path.read_bytes() == b"2"


def test_a_read_only_file_is_left(existing: Path) -> None:
    existing.chmod(0o444)
    file = ConfigFile.read(existing)
    with pytest.raises(ConfigFileError, match="is read-only: make it writable"):
        file.write("1", private=False)
    with pytest.raises(ConfigFileError, match="is read-only: make it writable"):
        file.delete()
    assert existing.read_bytes() == b"{}\r\n"
    assert list(existing.parent.iterdir()) == [existing]


@POSIX
@pytest.mark.usefixtures("unprivileged")
@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_that_cannot_be_written_is_reported(path: Path, exists: bool) -> None:
    path.parent.mkdir()
    if exists:
        path.write_bytes(b"1")
    path.parent.chmod(0o555)
    with pytest.raises(ConfigFileError, match=r"cannot be written: Permission denied .*; check its permissions"):
        ConfigFile.read(path).write("2", private=False)
    path.parent.chmod(0o755)
    assert [file.read_bytes() for file in path.parent.iterdir()] == [b"1"] * exists


@POSIX
@pytest.mark.usefixtures("unprivileged")
def test_a_file_that_cannot_be_read_is_reported(existing: Path) -> None:
    existing.chmod(0o200)
    with pytest.raises(ConfigFileError, match="cannot be read: Permission denied"):
        ConfigFile.read(existing)


@POSIX
def test_a_link_is_followed_and_stays(tmp_path: Path, existing: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(existing)
    missing = tmp_path / "missing link"
    missing.symlink_to(existing.with_name("new"))
    for name in (link, missing):
        ConfigFile.read(name).write("1", private=False)
        assert name.is_symlink()
        assert name.read_bytes() == b"1"


@POSIX
def test_a_link_to_itself_is_reported(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(link)
    with pytest.raises(ConfigFileError, match="link"):
        ConfigFile.read(link)


@POSIX
@pytest.mark.parametrize("kind", ["folder", "FIFO"])
def test_what_is_not_a_regular_file_is_reported(path: Path, kind: str) -> None:
    if kind == "folder":
        path.mkdir(parents=True)
    else:
        path.parent.mkdir()
        os.mkfifo(path)
    with pytest.raises(ConfigFileError, match="is not a regular file"):
        ConfigFile.read(path)


@POSIX
def test_a_huge_file_is_reported(existing: Path) -> None:
    with existing.open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # without a block on the disk
    with pytest.raises(ConfigFileError, match="is larger than"):
        ConfigFile.read(existing)


def test_restoring_a_backup_deletes_it(existing: Path) -> None:
    backup = ConfigFile.read(existing).write("1", private=False)
    assert backup is not None
    ConfigFile.read(existing).restore(backup)
    assert existing.read_bytes() == b"{}\r\n"
    assert list(existing.parent.iterdir()) == [existing]


@POSIX
def test_nothing_incomplete_stays_if_there_is_no_space(existing: Path) -> None:
    resource = pytest.importorskip("resource")
    existing.write_bytes(b"x" * 2000)
    file = ConfigFile.read(existing)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(ConfigFileError, match="cannot be written: File too large"):
            file.write("{}", private=False)  # it fits, and its backup does not
        with pytest.raises(ConfigFileError, match="cannot be written: File too large"):
            file.write("y" * 2000, private=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert existing.read_bytes() == b"x" * 2000
    assert list(existing.parent.iterdir()) == [existing]
