"""Try what was built as a new user would: install it into an empty environment, start the server, and make a call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import anyio
from mcp import Client, StdioServerParameters

_COMMAND: Final = "customerio-track-mcp"
_NEEDED_BY_WINDOWS: Final = ("SYSTEMROOT", "TEMP")
_TRUSTED_CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_TIMEOUT_SECONDS: Final = 300
"""Includes the installation of the bundle, which its server's first start carries out."""


class TrialError(Exception):
    """What was built cannot be installed, or its server does not do its work."""


def try_archive(archive: Path, home: Path) -> None:
    """Install a wheel or an sdist into an empty environment, and make a call.

    Args:
        archive: the wheel or the sdist.
        home: an empty folder, which becomes the user's home.

    Raises:
        TrialError: see its class.
    """
    environment = home / "environment"
    _uv(["venv", "--quiet", "--python", sys.executable, str(environment)], home)
    _uv(["pip", "install", "--quiet", "--python", str(environment), str(archive)], home)
    scripts = environment / ("Scripts" if sys.platform == "win32" else "bin")
    anyio.run(_call, StdioServerParameters(command=str(scripts / _COMMAND), args=["--sandbox"], cwd=home), home)


def try_bundle(bundle: Path, home: Path) -> None:
    """Unpack a bundle, start its server as Claude Desktop does, with the sandbox switched on, and make a call.

    The arguments and the errors are those of `try_archive`.
    """
    folder = home / "extension"
    with zipfile.ZipFile(bundle) as unzipped:
        unzipped.extractall(folder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    anyio.run(_call, start_parameters(manifest, folder, {"sandbox": True}), home)


def start_parameters(
    manifest: Mapping[str, Any], folder: Path, entered: Mapping[str, str | bool]
) -> StdioServerParameters:
    """Return how Claude Desktop starts a bundle's server.

    Args:
        manifest: the content of manifest.json.
        folder: the folder with the unpacked bundle.
        entered: what the user entered, by the field's name; the defaults apply to other fields.
    """
    values = {name: field.get("default", "") for name, field in manifest.get("user_config", {}).items()} | dict(entered)
    replacements = {"${__dirname}": str(folder)} | {
        f"${{user_config.{name}}}": str(value).lower() if isinstance(value, bool) else value
        for name, value in values.items()
    }

    def expand(text: str) -> str:
        for variable, value in replacements.items():
            text = text.replace(variable, value)
        return text

    config = manifest["server"]["mcp_config"]
    return StdioServerParameters(
        command=config["command"],
        args=[expand(argument) for argument in config.get("args", [])],
        env={name: expand(value) for name, value in config.get("env", {}).items()},
        cwd=folder,
    )


async def _call(server: StdioServerParameters, home: Path) -> None:
    # The client adds variables of this process, but HOME and PATH are among those that are replaced.
    # A sandbox of its own, so that the trial is not about one that happens to run, and its page stays as it is.
    variables = new_users_environment(home) | (server.env or {}) | {"CUSTOMERIO_SANDBOX_PORT": "0"}
    server = server.model_copy(update={"env": variables})
    person = {"customer_id": "1001", "email": "ann@example.com"}
    try:
        with anyio.fail_after(_TIMEOUT_SECONDS):
            async with Client(server) as client:
                result = await client.call_tool("create_or_update_customer", person)
    except Exception as error:  # whatever the client raises if the server does not start
        raise TrialError(f"cannot start the server or call its tool: {error!r}") from error
    if result.is_error:
        raise TrialError(f"the tool reported an error: {result.content}")


def new_users_environment(home: Path) -> dict[str, str]:
    """Return the environment of a new user: without settings, and without what makes Python import from a checkout.

    Only uv's cache is this user's, which saves downloads.

    Args:
        home: the new user's home.
    """
    inherited = {name: os.environ[name] for name in (*_NEEDED_BY_WINDOWS, *_TRUSTED_CERTIFICATES) if name in os.environ}
    # uv is in the same folder as this process's Python. It must not download another Python.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.defpath])
    homes = dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"), str(home))
    return inherited | homes | {"PATH": path, "UV_CACHE_DIR": _uv_cache(), "UV_PYTHON_DOWNLOADS": "never"}


@cache
def _uv_cache() -> str:
    command = [sys.executable, "-m", "uv", "cache", "dir"]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.strip()


def _uv(arguments: Sequence[str], home: Path) -> None:
    command = [sys.executable, "-m", "uv", *arguments]
    completed = subprocess.run(
        command, cwd=home, env=new_users_environment(home), capture_output=True, encoding="utf-8", check=False
    )
    if completed.returncode != 0:
        raise TrialError(f"uv {' '.join(arguments)} failed: {completed.stderr}")
