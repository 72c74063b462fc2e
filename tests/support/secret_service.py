"""A real Secret Service: GNOME Keyring on a D-Bus of its own, unlocked without a desktop."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from jeepney.io.blocking import DBusConnection

DBUS: Final = shutil.which("dbus-daemon")
GNOME_KEYRING: Final = shutil.which("gnome-keyring-daemon")
needs_secret_service = pytest.mark.skipif(
    (DBUS is None or GNOME_KEYRING is None) and "REQUIRE_KEYRING" not in os.environ,
    reason="dbus-daemon or gnome-keyring-daemon is not installed",
)

# Without folders of services, the bus starts no program that would ask for a password on a display.
_BUS: Final = """\
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <policy context="default"><allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"""
_PASSWORD: Final = b"password of the keyring"


class SecretService:
    """A Secret Service that can be locked, and paused.

    Attributes:
        directory: the folder of its socket `bus`, as systemd creates one for each user.
    """

    def __init__(self, directory: Path, bus: subprocess.Popen[bytes]) -> None:
        self.directory = directory
        self._bus = bus
        self._keyring: subprocess.Popen[bytes] | None = None

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment variables with which programs find it."""
        return {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.directory / 'bus'}"}

    def start(self) -> None:
        """Start the keyring, unlocked, and wait until it is on the bus."""
        from jeepney import MatchRule, message_bus  # installed on Linux only
        from jeepney.io.blocking import Proxy

        assert GNOME_KEYRING is not None
        home = {name: str(self.directory) for name in ("HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")}
        appears = MatchRule(type="signal", interface=message_bus.interface, member="NameOwnerChanged")
        appears.add_arg_condition(0, "org.freedesktop.secrets")
        with closing(self._connection()) as connection, connection.filter(appears) as signals:
            Proxy(message_bus, connection).AddMatch(appears)
            self._keyring = subprocess.Popen(
                [GNOME_KEYRING, "--foreground", "--unlock", "--components=secrets"],
                env={"PATH": os.defpath, **home, **self.variables},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            assert self._keyring.stdin is not None
            self._keyring.stdin.write(_PASSWORD)
            self._keyring.stdin.close()
            connection.recv_until_filtered(signals, timeout=30)

    def stop(self) -> None:
        """End the keyring and the bus."""
        for process in (self._keyring, self._bus):
            if process is not None:
                process.kill()
                process.wait()

    def lock(self) -> None:
        """Lock the keyring. Nothing is there that could ask for its password."""
        import secretstorage

        with closing(self._connection()) as connection:
            secretstorage.Collection(connection).lock()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it not respond until the block ends, as if it waited for a person."""
        assert self._keyring is not None
        self._keyring.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._keyring.send_signal(signal.SIGCONT)

    def _connection(self) -> DBusConnection:
        from jeepney.io.blocking import open_dbus_connection

        return open_dbus_connection(self.variables["DBUS_SESSION_BUS_ADDRESS"])


@contextmanager
def secret_service() -> Iterator[SecretService]:
    """Run a Secret Service until the block ends."""
    assert DBUS is not None
    with ExitStack() as stack:
        # Not pytest's folder, whose path may be too long for a socket.
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        configuration = directory / "bus.conf"
        configuration.write_text(_BUS.format(path=directory / "bus"), encoding="utf-8")
        bus = stack.enter_context(
            subprocess.Popen(
                [DBUS, f"--config-file={configuration}", "--nofork", "--print-address"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        )
        service = SecretService(directory, bus)
        stack.callback(service.stop)
        assert bus.stdout is not None
        assert bus.stdout.readline().startswith(b"unix:")
        service.start()
        yield service
