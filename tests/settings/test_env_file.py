"""The file that CUSTOMERIO_ENV_FILE names: its syntax, its precedence, and what is reported if it cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from customerio_track_mcp.settings.env_file import EnvFileError, read_env_file
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import Credentials, Region

SECRET = "a-secret-value"
VALID = f"CUSTOMERIO_API_KEY=site:{SECRET}\nCUSTOMERIO_REGION=EU\nOTHER=1\n"


@pytest.fixture
def env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The path that CUSTOMERIO_ENV_FILE names, outside the working directory; the file does not exist yet."""
    path = tmp_path / "elsewhere" / "settings.env"
    path.parent.mkdir()
    monkeypatch.setenv("CUSTOMERIO_ENV_FILE", str(path))
    return path


def test_a_named_file_is_read(env_file: Path) -> None:
    env_file.write_text(f"{VALID}CUSTOMERIO_HTTP_GRACE_PERIOD=7\n")
    settings = Settings.from_environment()
    assert settings.credentials == Credentials("site", SECRET)
    assert settings.region is Region.EU
    assert HttpSettings.from_environment().grace_period == 7


@pytest.mark.parametrize("name", [".env", ".env.local", "customerio.env"])
@pytest.mark.parametrize("content", [VALID.encode(), b"\xff\xfeC\x00", b"\x00GITCRYPT\x00\xaa", b"nonsense"])
def test_no_file_is_read_from_the_working_directory(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    settings = Settings.from_environment()
    assert (settings.credentials, settings.region) == (None, Region.US)


def test_the_environment_takes_precedence_and_secret_files_come_last(
    monkeypatch: pytest.MonkeyPatch, env_file: Path, tmp_path: Path
) -> None:
    env_file.write_text("CUSTOMERIO_SITE_ID=from-file\nCUSTOMERIO_API_KEY=from-file\nCUSTOMERIO_REPLICAS=\n")
    (tmp_path / "customerio_api_key").write_text("from-secret\n")
    (tmp_path / "customerio_replicas").write_text("3\n")
    monkeypatch.setenv("CUSTOMERIO_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("CUSTOMERIO_SITE_ID", "from-environment")
    settings = Settings.from_environment()
    assert settings.credentials == Credentials("from-environment", "from-file")
    assert settings.replicas == 3, "an empty value is not set"


def test_an_empty_environment_variable_is_not_set(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    env_file.write_text(VALID)
    monkeypatch.setenv("CUSTOMERIO_REGION", "")
    assert Settings.from_environment().region is Region.EU
    monkeypatch.setenv("CUSTOMERIO_ENV_FILE", "")
    assert Settings.from_environment().region is Region.US


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"NAME=value", "value"),
        (b"name=value\n", "value"),
        (b"export NAME = value # comment\n", "value"),
        (b'NAME="value"', "value"),
        (b"NAME='value'", "value"),
        (b"\xef\xbb\xbfNAME=value\r\n", "value"),
        (b"# comment\r\rNAME=value\r", "value"),
        (b"NAME=first\nNAME=value", "value"),
        ("NAME=Zoë".encode(), "Zoë"),
        (b"NAME=a=b", "a=b"),
        (b"NAME=", ""),
        (b"OTHER=x\nNAME=${OTHER}${HOME}$OTHER", "${OTHER}${HOME}$OTHER"),
        (b"NAME='${OTHER}'", "${OTHER}"),
    ],
)
def test_syntax(tmp_path: Path, content: bytes, value: str) -> None:
    (tmp_path / "file").write_bytes(content)
    assert read_env_file(tmp_path / "file")["NAME"] == value


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# only a comment"])
def test_a_file_without_variables_is_valid(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert read_env_file(tmp_path / "file") == {}


@pytest.mark.parametrize(
    "content",
    [
        VALID.encode("utf-16"),
        VALID.encode("utf-16-le"),
        VALID.encode("utf-16-be"),
        VALID.encode("utf-32"),
        b"\x00GITCRYPT\x00" + bytes(range(65, 91)),
        b"CUSTOMERIO_API_KEY=Z\xfcrich",
        b"\x7fELF\x02\x01\x00",
        bytes(range(256)),
    ],
)
def test_a_file_that_is_not_utf8_text_is_reported(env_file: Path, content: bytes) -> None:
    env_file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment()
    assert caught.value.problems == [f"CUSTOMERIO_ENV_FILE: {env_file} cannot be read as UTF-8 text"]


def test_what_is_not_a_regular_file_is_reported_and_not_waited_for(env_file: Path) -> None:
    expected = [f"CUSTOMERIO_ENV_FILE: {env_file} cannot be read: it is not a regular file"]
    for create in (os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")):
        create(env_file)
        with pytest.raises(SettingsError) as caught:
            Settings.from_environment()
        assert caught.value.problems == expected
        (os.rmdir if env_file.is_dir() else os.unlink)(env_file)


@pytest.mark.parametrize("settings", [Settings, HttpSettings])
def test_a_file_that_cannot_be_opened_is_reported_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, env_file: Path, settings: type[Settings | HttpSettings]
) -> None:
    loop = env_file.with_name("loop")
    loop.symlink_to(loop)
    file = env_file.with_name("file")
    file.touch()
    for path, reason in (
        (env_file, "No such file or directory"),
        (file / "settings.env", "Not a directory"),
        (loop, "Too many levels of symbolic links"),
        (Path("/" + "x" * 300), "File name too long"),
    ):
        monkeypatch.setenv("CUSTOMERIO_ENV_FILE", str(path))
        with pytest.raises(SettingsError) as caught:
            settings.from_environment()
        assert caught.value.problems == [f"CUSTOMERIO_ENV_FILE: {path} cannot be read: {reason}"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_a_file_without_permission_is_reported(env_file: Path) -> None:
    env_file.write_text(VALID)
    env_file.chmod(0)
    with pytest.raises(SettingsError, match=f"{env_file} cannot be read: Permission denied"):
        Settings.from_environment()


def test_a_file_of_a_size_that_no_settings_have_is_not_read(env_file: Path) -> None:
    with env_file.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(SettingsError, match=f"{env_file} cannot be read: it is larger than 1048576 bytes"):
        Settings.from_environment()


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("CUSTOMERIO_API_KEY", "1"),
        ("\n\n# comment\nCUSTOMERIO_REGION: EU", "4"),
        ("A=1\nset CUSTOMERIO_REGION=EU", "2"),
        ('CUSTOMERIO_API_KEY="a-secret-value\n', "1"),
        ("{'CUSTOMERIO_API_KEY': 'a-secret-value'}", "1"),
        ("-----BEGIN PGP MESSAGE-----\n\nabcd\n", "1, 3"),
        ("x\n" * 9, "1, 2, 3, 4, 5 and 4 more"),
    ],
)
def test_lines_that_are_not_assignments_are_reported_without_their_content(
    env_file: Path, content: str, lines: str
) -> None:
    env_file.write_text(content)
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment()
    assert caught.value.problems == [f"CUSTOMERIO_ENV_FILE: {env_file}: expected NAME=VALUE on line {lines}"]


def test_a_path_is_relative_to_the_working_directory_or_to_the_home_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / "settings").write_text("NAME=home")
    (tmp_path / "settings").write_text("NAME=here")
    assert read_env_file(Path("settings"))["NAME"] == "here"
    assert read_env_file(Path("~/settings"))["NAME"] == "home"
    with pytest.raises(EnvFileError, match=r"^~nobody-of-this-name/x cannot be read: its home directory is unknown"):
        read_env_file(Path("~nobody-of-this-name/x"))
    with pytest.raises(EnvFileError, match=f"^{tmp_path}/other cannot be read"):
        read_env_file(Path("other"))


def test_an_unprintable_path_is_reported_on_one_line() -> None:
    with pytest.raises(EnvFileError) as caught:
        read_env_file(Path("/none/a\nb\udcff"))
    assert str(caught.value) == r"'/none/a\nb\udcff' cannot be read: No such file or directory"


def test_values_of_the_file_are_validated_like_others(env_file: Path) -> None:
    env_file.write_text("CUSTOMERIO_REGION=mars\nCUSTOMERIO_API_KEY=${CUSTOMERIO_API_KEY}\n")
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment()
    assert [line.partition(":")[0] for line in caught.value.problems] == ["CUSTOMERIO_API_KEY", "CUSTOMERIO_REGION"]


def test_a_secret_file_that_cannot_be_read_is_reported_with_its_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CUSTOMERIO_SECRETS_DIR", str(tmp_path))
    (tmp_path / "customerio_region").write_text("EU")
    (tmp_path / "other").write_bytes(b"\xff")
    assert Settings.from_environment().region is Region.EU
    (tmp_path / "customerio_api_key").write_bytes(b"\xff")
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment()
    assert caught.value.problems == [f"{tmp_path / 'customerio_api_key'} cannot be read as UTF-8 text"]
