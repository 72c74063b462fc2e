"""The operating system's key store: the macOS Keychain, the Windows Credential Manager, or the Secret Service on Linux.

It is opened only if `CUSTOMERIO_KEY_STORE` names an entry, or a person asks for it. The package `keyring`, from the
extra of the same name, knows these stores. Its own choice of a backend is not used. That loads code from wherever
`PYTHON_KEYRING_BACKEND` and `keyringrc.cfg` say, and this file is searched for in the working directory if
`XDG_CONFIG_HOME` is relative or, on Windows, if neither `LOCALAPPDATA` nor `ProgramData` is set
(`keyring/util/platform_.py`). It also accepts backends that keep secrets in plain text or ask for a password on the
terminal.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final, Self, TypeVar

from pydantic import SecretStr

from customerio_track_mcp.track import Credentials, shorten

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

T = TypeVar("T")

ENTRY_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""The name of an entry."""

SERVICE: Final = "customerio-track-mcp"
"""What entries are filed under; the name of an entry is its user name there."""

TIMEOUT: Final = 30.0
"""Seconds to wait for a key store at startup. Hosts wait 60 seconds for a server and more."""

_MAX_CHARACTERS: Final = 1280
"""CRED_MAX_CREDENTIAL_BLOB_SIZE of Windows is 2560 bytes, and `keyring` saves UTF-16."""

_MAX_REASON_CHARACTERS: Final = 200
_SESSION_BUS_VARIABLE: Final = "DBUS_SESSION_BUS_ADDRESS"


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    module: str
    backend: str


_KINDS: Final = {
    "darwin": _Kind("the macOS Keychain", "keyring.backends.macOS", "Keyring"),
    "win32": _Kind("the Windows Credential Manager", "keyring.backends.Windows", "WinVaultKeyring"),
    "linux": _Kind("the Secret Service", "keyring.backends.SecretService", "Keyring"),
}
"""The key store of each `sys.platform`. One each, so that a later start reads the store that was written to."""


class KeyStoreError(Exception):
    """The key store cannot be used. The message says why, and contains neither a secret nor the name of an entry."""


class NoEntryError(KeyStoreError):
    """The key store has no entry of the name."""


@dataclass(frozen=True, slots=True)
class KeyStore:
    """The key store of the user who runs this process.

    Every method may make it ask the user for a password, in a window of its own.

    Args:
        name: its name for people.
        backend: the keyring backend, which must be available.
        timeout: seconds to wait for it, each time.
    """

    name: str
    backend: KeyringBackend = field(repr=False)
    timeout: float = TIMEOUT

    @classmethod
    def open(cls, timeout: float = TIMEOUT) -> Self:
        """Return this operating system's key store, without unlocking it.

        Args:
            timeout: seconds to wait for it, now and in each method.

        Raises:
            KeyStoreError: the package `keyring` is not installed, or no key store is available.
        """
        kind = _KINDS.get(sys.platform)
        if kind is None:
            raise KeyStoreError(f"the key store of this operating system ({sys.platform}) is not supported")
        try:
            backend_class: type[KeyringBackend] = getattr(import_module(kind.module), kind.backend)
        except ImportError:
            raise KeyStoreError("the package keyring is not installed; install customerio-track-mcp[keyring]") from None
        if sys.platform == "linux":
            _find_session_bus()
        return cls(kind.name, _within(timeout, kind.name, partial(_available, kind, backend_class)), timeout)

    def save(self, entry: str, credentials: Credentials) -> None:
        """Create an entry or replace it.

        Raises:
            KeyStoreError: it cannot be saved, or not be read again.
        """
        value = f"{credentials.site_id}:{credentials.api_key}"
        if len(value) > _MAX_CHARACTERS:
            raise KeyStoreError(f"the credentials are longer than {_MAX_CHARACTERS} characters")
        self._run(lambda: self.backend.set_password(SERVICE, entry, value))
        if self._read(entry) != value:
            raise KeyStoreError(f"{self.name} does not return what was saved")

    def load(self, entry: str) -> SecretStr:
        """Return what an entry contains: `site_id:api_key`, if `save` has written it.

        Raises:
            NoEntryError: the entry does not exist.
            KeyStoreError: it cannot be read.
        """
        value = self._read(entry)
        if value is None:
            raise NoEntryError(f"{self.name} has no entry of this name; 'customerio-track-mcp install' creates one")
        return SecretStr(value)

    def delete(self, entry: str) -> bool:
        """Delete an entry, and return whether there was one.

        Raises:
            KeyStoreError: it cannot be deleted.
        """
        if self._read(entry) is None:
            return False
        self._run(lambda: self.backend.delete_password(SERVICE, entry))
        return True

    def _read(self, entry: str) -> str | None:
        return self._run(lambda: self.backend.get_password(SERVICE, entry))

    def _run(self, operation: Callable[[], T]) -> T:
        return _within(self.timeout, self.name, operation)


def _available(kind: _Kind, backend_class: type[KeyringBackend]) -> KeyringBackend:
    try:
        # Reading it raises an error, usually RuntimeError, if the backend is not suitable for this environment.
        _ = backend_class.priority
    except Exception as error:  # noqa: BLE001 - such as one of the socket of the session bus
        reason = str(error) if isinstance(error, RuntimeError) else ""
        raise KeyStoreError(f"{kind.name} is not available: {_shown(reason, error)}") from None
    return backend_class()


def _within(seconds: float, name: str, operation: Callable[[], T]) -> T:
    """Run an operation of the key store `name` in a thread; the process does not wait for it to end.

    Raises:
        KeyStoreError: it fails, or takes longer.
    """
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(operation())
        except BaseException as error:  # noqa: BLE001 - passed on
            result.set_exception(error)

    thread = Thread(target=run, name="key store", daemon=True)
    # stdout may carry the protocol.
    with redirect_stdout(sys.stderr):
        thread.start()
        thread.join(seconds)
    if not result.done():
        raise KeyStoreError(
            f"{name} did not respond within {seconds:g} seconds; if it asks for a password in a window, enter it and "
            "try again"
        )
    error = result.exception()
    if error is not None:
        raise _explained(name, error) from None
    return result.result()


def _explained(name: str, error: BaseException) -> KeyStoreError:
    from keyring.errors import KeyringError, KeyringLocked

    if isinstance(error, KeyStoreError):
        return error
    # SecretStorage's own errors, which keyring passes on from some operations.
    if isinstance(error, KeyringLocked) or type(error).__name__ in ("LockedException", "PromptDismissedException"):
        return KeyStoreError(f"{name} is locked; unlock it and try again")
    # Texts of others could repeat what was to be saved.
    reason = str(error) if isinstance(error, KeyringError) else ""
    return KeyStoreError(f"{name} cannot be used: {_shown(reason, error)}")


def _shown(reason: str, error: BaseException) -> str:
    """Return a reason for a message: the given one, or that of the operating system, which pywin32 has too."""
    text = reason or str(getattr(error, "strerror", None) or type(error).__name__)
    return shorten(text, _MAX_REASON_CHARACTERS)


def _find_session_bus() -> None:
    """Name the D-Bus session bus for `keyring`, if the environment does not.

    Hosts start servers with few variables: the SDK's client passes on HOME, LOGNAME, PATH, SHELL, TERM and USER. The
    path is that of systemd: https://www.freedesktop.org/software/systemd/man/latest/sd_bus_default_user.html
    """
    if os.environ.get(_SESSION_BUS_VARIABLE):
        return
    path = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}") / "bus"
    try:
        is_own = path.is_absolute() and path.is_socket() and path.stat().st_uid == os.getuid()
    except OSError:
        return
    if is_own:
        os.environ[_SESSION_BUS_VARIABLE] = f"unix:path={path}"
