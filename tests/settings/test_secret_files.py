"""Secret files: which are read, and what happens if one of them is another kind of file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.settings.text_file import MAX_BYTES


@pytest.fixture
def tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of the secret file with the tokens of the HTTP service, which does not exist yet."""
    monkeypatch.setenv("CUSTOMERIO_SECRETS_DIR", str(tmp_path))
    return tmp_path / "customerio_http_tokens"


def _as_kubernetes_does(path: Path) -> None:
    (path.parent / "..data").mkdir()
    (path.parent / "..data" / path.name).write_text("ci TOKEN\n")
    path.symlink_to(Path("..data") / path.name)


@pytest.mark.parametrize(
    "create",
    [
        lambda path: path.write_bytes(b"\xef\xbb\xbfci TOKEN\r\n"),
        lambda path: path.with_name(path.name.upper()).write_text(" ci TOKEN"),
        _as_kubernetes_does,
    ],
    ids=["byte order mark", "upper case", "Kubernetes"],
)
def test_the_text_is_read_without_what_surrounds_it(tokens: Path, create: Callable[[Path], object]) -> None:
    create(tokens)
    os.mkfifo(tokens.with_name("of_another_program"))
    value = HttpSettings.from_environment().tokens
    assert value is not None
    assert value.get_secret_value() == "ci TOKEN"


@pytest.mark.parametrize(
    ("create", "problem"),
    [
        (Path.mkdir, "it is not a regular file"),  # Docker creates a folder for a missing file that is to be mounted
        (os.mkfifo, "it is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is not a regular file"),
        (lambda path: path.write_bytes(b"x" * (MAX_BYTES + 1)), "it is larger than 1048576 bytes"),
        (lambda path: path.symlink_to("none"), "No such file or directory"),
    ],
    ids=["folder", "FIFO", "device", "large", "dangling link"],
)
def test_a_file_that_cannot_be_read_is_an_error_and_not_a_missing_setting(
    tokens: Path, create: Callable[[Path], object], problem: str
) -> None:
    """Without its tokens, the service would accept every caller."""
    create(tokens)
    with pytest.raises(SettingsError) as caught:
        HttpSettings.from_environment()
    assert caught.value.problems == [f"{tokens} cannot be read: {problem}"]
