"""Open a page in the browser, which gets none of this server's settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

_SETTINGS_PREFIXES: Final = ("CUSTOMERIO_", "OTEL_")
"""OpenTelemetry's variables may contain the headers that authenticate its exporter."""


def open_in_browser(url: str) -> None:
    """Open a page, without waiting for the browser."""
    # In its own process: what a browser prints must not reach stdout, which carries the protocol.
    # -I: import nothing from the working directory or PYTHONPATH. `cwd`: a relative entry of PATH must not lead there.
    command = [sys.executable, "-I", "-m", "webbrowser", url]
    root = Path(sys.executable).anchor or None
    null = subprocess.DEVNULL
    subprocess.Popen(  # noqa: S603
        command,
        stdin=null,
        stdout=null,
        stderr=null,
        cwd=root,
        env=environment_without_settings(),
        start_new_session=True,
    )


def environment_without_settings() -> dict[str, str]:
    """Return the environment without the settings of this server, which include keys and tokens.

    Everything that another program starts, such as the helpers of a browser's extensions, could read them.
    """
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(_SETTINGS_PREFIXES)}
