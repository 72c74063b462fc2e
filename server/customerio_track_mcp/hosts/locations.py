"""Where hosts keep their configuration on this operating system."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from customerio_track_mcp.hosts.errors import ConfigFileError

System = Literal["windows", "macos", "linux"]
_CLAUDE_PACKAGES: Final = "Claude_*"


@dataclass(frozen=True, slots=True)
class Machine:
    """What the place of a file depends on.

    Attributes:
        system: the operating system; every other than Windows and macOS counts as Linux.
        home: the user's folder.
        environment: the environment variables.
    """

    system: System
    home: Path
    environment: Mapping[str, str]

    @classmethod
    def this(cls) -> Machine:
        """Return this machine.

        Raises:
            ConfigFileError: the user has no home folder.
        """
        system: System = "windows" if sys.platform == "win32" else "macos" if sys.platform == "darwin" else "linux"
        try:
            home = Path.home()
        except RuntimeError:
            home = Path()
        # An empty HOME would be the root folder.
        if not home.is_absolute() or (os.name == "posix" and os.environ.get("HOME") == ""):
            raise ConfigFileError("this user has no home folder: set HOME")
        return cls(system, home, os.environ)

    def folder(self, variable: str, *default: str) -> Path:
        """Return the folder that an environment variable names; if it is not set, one below the home folder.

        Raises:
            ConfigFileError: the variable is a relative path, so that the host's folder depends on where it is started.
        """
        named = self.environment.get(variable)
        if not named:
            return self.home.joinpath(*default)
        if not Path(named).is_absolute():
            raise ConfigFileError(f"{variable} is a relative path: set it to an absolute one, or unset it")
        return Path(named)

    def windows_folder(self, variable: str, name: str) -> Path:
        """Return the folder for applications' data that Windows names in a variable."""
        named = self.environment.get(variable)
        return Path(named) if named else self.home / "AppData" / name

    @property
    def app_data(self) -> Path:
        """Where Electron keeps the data of an application, in a folder named like it.

        Source: https://www.electronjs.org/docs/latest/api/app#appgetpathname (appData).
        """
        if self.system == "windows":
            return self.windows_folder("APPDATA", "Roaming")
        if self.system == "macos":
            return self.home / "Library" / "Application Support"
        return self.folder("XDG_CONFIG_HOME", ".config")


def claude_desktop(machine: Machine) -> Path:
    """Return Claude Desktop's file.

    Source: https://modelcontextprotocol.io/docs/develop/connect-local-servers for macOS and Windows;
    https://support.claude.com for Linux. Its MSIX package for Windows sees another %APPDATA% than other programs:
    https://github.com/anthropics/claude-code/issues/26073

    Raises:
        ConfigFileError: more than one MSIX package is installed.
    """
    name = "claude_desktop_config.json"
    if machine.system == "windows":
        packages = machine.windows_folder("LOCALAPPDATA", "Local") / "Packages"
        virtual = sorted(packages.glob(f"{_CLAUDE_PACKAGES}/LocalCache/Roaming"))
        if len(virtual) > 1:
            raise ConfigFileError(
                f"Claude Desktop is installed more than once ({', '.join(map(str, virtual))}): uninstall one, or add "
                f"what --print prints to Claude\\{name} in the folder of the other"
            )
        if virtual:
            return virtual[0] / "Claude" / name
    return machine.app_data / "Claude" / name


def claude_code(machine: Machine) -> Path:
    """Return Claude Code's file. Source: https://code.claude.com/docs/en/mcp and /en/env-vars (CLAUDE_CONFIG_DIR)."""
    return machine.folder("CLAUDE_CONFIG_DIR") / ".claude.json"


def cursor(machine: Machine) -> Path:
    """Return Cursor's file. Source: https://cursor.com/docs/mcp"""
    return machine.home / ".cursor" / "mcp.json"


def vscode(machine: Machine) -> Path:
    """Return the file of VS Code's default profile.

    Source: https://code.visualstudio.com/docs/configure/settings#_settings-file-locations for the folder.
    """
    return machine.app_data / "Code" / "User" / "mcp.json"


def windsurf(machine: Machine) -> Path:
    """Return the file of Devin Desktop, which was Windsurf; that of its former agent if only that is there.

    Source: https://docs.devin.ai/cli/extensibility/mcp/configuration and https://docs.devin.ai/desktop/cascade/mcp
    """
    devin = _devin(machine)
    cascade = machine.home / ".codeium" / "windsurf"
    # Path.is_dir raises an error below a folder that cannot be read.
    folder = devin if os.path.isdir(devin) or not os.path.isdir(cascade) else cascade  # noqa: PTH112
    return folder / "mcp_config.json"


def gemini_cli(machine: Machine) -> Path:
    """Return Gemini CLI's file. Source: https://geminicli.com/docs/reference/configuration"""
    return machine.folder("GEMINI_CLI_HOME") / ".gemini" / "settings.json"


def codex(machine: Machine) -> Path:
    """Return Codex' file. Source: https://developers.openai.com/codex/mcp and /codex/environment-variables"""
    return machine.folder("CODEX_HOME", ".codex") / "config.toml"


def _devin(machine: Machine) -> Path:
    # Not by XDG_CONFIG_HOME, which its documents do not name.
    if machine.system == "windows":
        return machine.app_data / "devin"
    return machine.home / ".config" / "devin"
