"""Which directories of metrics are deleted, and which are used."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from customerio_track_mcp.instrumentation.metrics_directory import (
    DIRECTORY_PREFIX,
    MetricsDirectory,
    open_metrics_directory,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def abandoned(parent: Path, name: str = "abandoned") -> Path:
    """Create what a killed service leaves."""
    directory = parent / f"{DIRECTORY_PREFIX}{name}"
    directory.mkdir(mode=0o700)
    (directory / "counter_1.db").write_bytes(b"x")
    return directory


def test_directory_of_a_dead_service_is_deleted(parent: Path) -> None:
    directory = abandoned(parent)
    with open_metrics_directory() as own:
        assert not directory.exists()
        assert list(parent.iterdir()) == [own]
    assert list(parent.iterdir()) == []


def test_directory_of_a_live_process_is_kept(parent: Path) -> None:
    directory = abandoned(parent)
    in_use = MetricsDirectory(directory)
    with open_metrics_directory():
        assert (directory / "counter_1.db").exists()
    in_use.close()
    with open_metrics_directory():
        assert not directory.exists()


def test_what_no_service_has_created_is_kept(parent: Path) -> None:
    target = parent / "target"
    target.mkdir(mode=0o700)
    (target / "counter_1.db").write_bytes(b"x")
    (parent / f"{DIRECTORY_PREFIX}link").symlink_to(target)
    (parent / f"{DIRECTORY_PREFIX}file").write_bytes(b"x")
    other_name = parent / "customerio-track-mcp-other"
    other_name.mkdir(mode=0o700)
    for name, content in (("document", "notes.txt"), ("folder", "folder.db/x.db")):
        file = abandoned(parent, name) / content
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x")
    (abandoned(parent, "linked") / "link.db").symlink_to(target / "counter_1.db")
    abandoned(parent, "readable").chmod(0o755)
    before = sorted(parent.rglob("*"))
    with open_metrics_directory():
        pass
    assert sorted(parent.rglob("*")) == before


def test_directory_is_not_created_where_somebody_else_has_created_one(parent: Path) -> None:
    """Between the deletion and the new creation, anybody can use the name in /tmp."""
    path = parent / f"{DIRECTORY_PREFIX}x"
    directory = MetricsDirectory(path)
    assert not directory.is_lost()
    path.rmdir()
    assert directory.is_lost()
    (parent / "target").mkdir(mode=0o700)
    path.symlink_to(parent / "target")
    assert directory.is_lost()
    with pytest.raises(OSError, match=r"directory|symbolic"):
        directory.recreate()
    path.unlink()
    path.mkdir(mode=0o777)
    path.chmod(0o777)
    with pytest.raises(PermissionError):
        directory.recreate()
    path.rmdir()
    directory.recreate()
    assert not directory.is_lost()
    directory.close()
