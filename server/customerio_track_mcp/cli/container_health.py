"""What the image's `HEALTHCHECK` runs: ask the service of the container whether it is alive.

    python -I -m customerio_track_mcp.cli.container_health [PROCESS_ID]

The address is the one in the command line of the container's first process. This module imports only what it needs,
since it runs every few seconds, and connects without a proxy, whatever the environment names.
"""

from __future__ import annotations

import argparse
import http.client
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from customerio_track_mcp.cli.output import print_status

_TIMEOUT_SECONDS: Final = 2.0
_COMMAND: Final = "http"
_LOOPBACK_OF: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - only compared with


def main(arguments: Sequence[str]) -> int:
    """Return the exit status: 0 if the service is alive, or if the container runs another command; else 1.

    Args:
        arguments: the id of the container's first process, if it is not 1.
    """
    command_line = Path("/proc") / (arguments[0] if arguments else "1") / "cmdline"
    try:
        words = _words(command_line.read_text(encoding="utf-8", errors="replace"))
        return _check(words[words.index(_COMMAND) + 1 :]) if _COMMAND in words else 0
    except (OSError, http.client.HTTPException, argparse.ArgumentError) as error:
        print_status(f"not healthy: {error or type(error).__name__}")
        return 1


def _words(command_line: str) -> list[str]:
    """Return the words of a process's command line, those of a shell's script (`sh -c`) included."""
    return [word for argument in command_line.removesuffix("\0").split("\0") for word in argument.split() or [argument]]


def _check(words: Sequence[str]) -> int:
    """Ask the service with these options of the command `http` (see `cli.main`); return the exit status."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)  # Docker reserves its exit status, 2
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options, _ = parser.parse_known_args(words)
    host = _LOOPBACK_OF.get(options.host, options.host)
    # Not urllib, which would use HTTP_PROXY.
    connection = http.client.HTTPConnection(host, options.port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    finally:
        connection.close()
    if status != http.HTTPStatus.OK:
        print_status(f"not healthy: /healthz returned {status}")
    return int(status != http.HTTPStatus.OK)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
