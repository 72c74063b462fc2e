"""The key store with keyring backends of every kind. tests/integration/test_key_store.py has a real Secret Service."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import InitError, KeyringLocked, PasswordDeleteError

from customerio_track_mcp.cli.sandbox_upstream import sandbox_upstream
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.key_store import KeyStore, KeyStoreError, NoEntryError
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import Credentials

KEY = "api-key-that-must-not-show"
CREDENTIALS = Credentials("site", KEY)
needs_user_ids = pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows has no user ids")


class FileBackend(KeyringBackend):
    """Keeps entries in a file, and fails as it is asked to."""

    priority = 0.5

    def __init__(self, path: Path, before: Callable[[], object] = lambda: None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._path = path
        self._before = before

    def get_password(self, service: str, username: str) -> str | None:
        self._before()
        return self._entries().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._before()
        self._path.write_text(json.dumps(self._entries() | {f"{service}/{username}": password}), encoding="utf-8")

    def delete_password(self, service: str, username: str) -> None:
        self._before()
        entries = self._entries()
        if entries.pop(f"{service}/{username}", None) is None:
            raise PasswordDeleteError("not found")
        self._path.write_text(json.dumps(entries), encoding="utf-8")

    def _entries(self) -> dict[str, str]:
        return json.loads(self._path.read_text(encoding="utf-8")) if self._path.exists() else {}


def raising(error: BaseException) -> Callable[[], None]:
    def raise_error() -> None:
        raise error

    return raise_error


def created(backend_class: Callable[[], KeyringBackend]) -> KeyringBackend:
    return backend_class()


OPERATIONS: list[Callable[[KeyStore], object]] = [
    lambda store: store.save("entry", CREDENTIALS),
    lambda store: store.load("entry"),
    lambda store: store.delete("entry"),
]


def problem_of(operation: Callable[[KeyStore], object], backend: KeyringBackend, timeout: float = 30) -> str:
    with pytest.raises(KeyStoreError) as caught:
        operation(KeyStore("the store", backend, timeout))
    assert KEY not in repr(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_entries_are_saved_loaded_replaced_and_deleted(tmp_path: Path) -> None:
    store = KeyStore("the store", FileBackend(tmp_path / "entries"))
    store.save("one", CREDENTIALS)
    store.save("two", Credentials("site", "another-key"))
    store.save("one", Credentials("site", "new-key"))
    assert store.load("one").get_secret_value() == "site:new-key"
    assert store.load("two").get_secret_value() == "site:another-key"
    assert store.delete("one")
    assert not store.delete("one")
    with pytest.raises(NoEntryError, match="the store has no entry of this name; 'customerio-track-mcp install'"):
        store.load("one")
    assert "another-key" not in repr(store) + repr(store.load("two"))


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyringLocked("Failed to unlock the collection!"), "is locked; unlock it and try again"),
        (InitError("no collection\x1b[2J"), "cannot be used: no collection\ufffd[2J"),
        (OSError(5, "Access is denied"), "cannot be used: Access is denied"),
        (ValueError(f"cannot store {KEY}"), "cannot be used: ValueError"),
        (KeyboardInterrupt(), "cannot be used: KeyboardInterrupt"),
    ],
)
def test_failures_name_the_reason_and_no_secret(
    tmp_path: Path, operation: Callable[[KeyStore], object], error: BaseException, reason: str
) -> None:
    problem = problem_of(operation, FileBackend(tmp_path / "entries", raising(error)))
    assert problem == f"the store {reason}"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_backend_that_does_not_respond_is_abandoned(tmp_path: Path, operation: Callable[[KeyStore], object]) -> None:
    end = Event()
    try:
        problem = problem_of(operation, FileBackend(tmp_path / "entries", end.wait), timeout=0.05)
    finally:
        end.set()
    assert problem.startswith("the store did not respond within 0.05 seconds; if it asks for a password in a window")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_a_backend_prints_does_not_reach_stdout(
    tmp_path: Path, operation: Callable[[KeyStore], object], capfd: pytest.CaptureFixture[str]
) -> None:
    store = KeyStore("the store", FileBackend(tmp_path / "entries", lambda: print("Password:")))  # noqa: T201
    store.save("entry", CREDENTIALS)
    operation(store)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "Password:" in captured.err


@pytest.mark.parametrize("operation", OPERATIONS)
def test_without_a_usable_backend_every_operation_fails(operation: Callable[[KeyStore], object]) -> None:
    assert "the store cannot be used: No recommended backend was available" in problem_of(
        operation, created(fail.Keyring)
    )


def test_a_backend_that_keeps_nothing_is_noticed() -> None:
    store = KeyStore("the store", created(null.Keyring))
    with pytest.raises(KeyStoreError, match="the store does not return what was saved"):
        store.save("entry", CREDENTIALS)
    with pytest.raises(NoEntryError):
        store.load("entry")


def test_credentials_that_no_windows_entry_can_contain_are_refused(tmp_path: Path) -> None:
    store = KeyStore("the store", FileBackend(tmp_path / "entries"))
    store.save("entry", Credentials("site", "k" * 1275))
    with pytest.raises(KeyStoreError, match="the credentials are longer than 1280 characters"):
        store.save("entry", Credentials("site", "k" * 1276))
    assert store.load("entry").get_secret_value() == "site:" + "k" * 1275


@pytest.fixture
def _no_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make the key store of this machine unavailable, whatever it is."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path / 'none'}")


@pytest.mark.usefixtures("_no_store")
@pytest.mark.parametrize(
    ("address", "runtime_directory"),
    [
        ("unix:path=none", ""),
        ("tcp:host=localhost", ""),
        ("nonsense", ""),
        pytest.param("", "none", marks=needs_user_ids),
        pytest.param("", "/none", marks=needs_user_ids),
    ],
)
def test_a_missing_store_is_reported_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, address: str, runtime_directory: str
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime_directory or "/none")
    monkeypatch.setenv("CUSTOMERIO_KEY_STORE", "entry")
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment()
    (problem,) = caught.value.problems
    assert problem.startswith("CUSTOMERIO_KEY_STORE: the Secret Service is not available: ")
    assert problem.endswith(". Instead, you can set CUSTOMERIO_API_KEY")


def test_a_missing_package_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("keyring.backends.macOS", "keyring.backends.SecretService", "keyring.backends.Windows"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(KeyStoreError, match=r"is not installed; install customerio-track-mcp\[keyring\]"):
        KeyStore.open()


def test_an_operating_system_without_a_known_store_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "emscripten")
    with pytest.raises(KeyStoreError, match=r"the key store of this operating system \(emscripten\) is not supported"):
        KeyStore.open()


@pytest.mark.usefixtures("_no_store")
@pytest.mark.parametrize("where", ["variable", "configuration in the working directory"])
def test_keyrings_own_configuration_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str) -> None:
    """It would load code from the working directory, or accept a backend that is not the operating system's."""
    (tmp_path / "hostile_backend.py").write_text("raise SystemExit('loaded')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    if where == "variable":
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "hostile_backend.Keyring")
    else:
        folder = tmp_path / "python_keyring"
        folder.mkdir()
        (folder / "keyringrc.cfg").write_text(
            f"[backend]\nkeyring-path={tmp_path}\ndefault-keyring=hostile_backend.Keyring\n", encoding="utf-8"
        )
        monkeypatch.setenv("XDG_CONFIG_HOME", ".")
    with pytest.raises(KeyStoreError, match="the Secret Service is not available"):
        KeyStore.open()
    assert "hostile_backend" not in sys.modules


@pytest.mark.usefixtures("_no_store")
@pytest.mark.parametrize("source", ["environment", "env file", "secret file"])
def test_the_store_is_opened_only_if_no_key_is_set_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str
) -> None:
    monkeypatch.setenv("CUSTOMERIO_KEY_STORE", "entry")
    match source:
        case "environment":
            monkeypatch.setenv("CUSTOMERIO_API_KEY", "site:key")
        case "env file":
            (tmp_path / "file.env").write_text("CUSTOMERIO_API_KEY=site:key", encoding="utf-8")
            monkeypatch.setenv("CUSTOMERIO_ENV_FILE", str(tmp_path / "file.env"))
        case "secret file":
            (tmp_path / "customerio_api_key").write_text("site:key", encoding="utf-8")
            monkeypatch.setenv("CUSTOMERIO_SECRETS_DIR", str(tmp_path))
    assert Settings.from_environment().credentials == Credentials("site", "key")


@pytest.mark.usefixtures("_no_store")
def test_the_sandbox_does_not_open_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMERIO_KEY_STORE", "entry")
    assert sandbox_upstream("http://127.0.0.1").settings.credentials == Credentials("sandbox", "sandbox")


@pytest.mark.usefixtures("_no_store")
def test_the_store_is_opened_only_if_an_entry_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMERIO_KEY_STORE", "")
    assert Settings.from_environment().credentials is None


@pytest.mark.parametrize("name", [" ", "two words", "a/b", f"{KEY}:", "-name", "ä", "n" * 65, "a\nb"])
def test_invalid_names_of_entries_are_rejected_without_repeating_them(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("CUSTOMERIO_KEY_STORE", name)
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment()
    (problem,) = caught.value.problems
    assert problem == (
        "CUSTOMERIO_KEY_STORE: invalid name of an entry: expected up to 64 letters, digits, '.', '_' and '-'"
    )
