"""Loads the command once, and runs it in a forked process at each request: `python -P command_template.py DESCRIPTOR`.

The descriptor is a socket of `loaded_command`, which describes the requests.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from customerio_track_mcp.__main__ import main
from customerio_track_mcp.module_loading import loading

MODULES: Final = (
    "customerio_track_mcp.cli.main",
    "customerio_track_mcp.http.service",
    "customerio_track_mcp.sandbox.server",
    "customerio_track_mcp.stdio.transport",
)


def serve(requests: socket.socket) -> None:
    """Fork at each request until there are none. Returns in a forked process, which must run the command.

    The command is the child of a process that does nothing but wait for it.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel removes those that have waited
    while True:
        one_byte, descriptors, _, _ = socket.recv_fds(requests, 1, 5)
        if not one_byte:
            os._exit(0)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            requests.close()
            file, *streams, life = descriptors
            process_id = os.fork()
            if process_id == 0:
                os.close(life)
                with os.fdopen(file, "rb") as request:
                    become(json.load(request), streams)
                return
            for descriptor in (file, *streams):
                os.close(descriptor)
            os.write(life, f"{process_id}\n".encode())
            _, status = os.waitpid(process_id, 0)
            with suppress(BrokenPipeError):  # the tests have ended
                os.write(life, f"{os.waitstatus_to_exitcode(status)}\n".encode())
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


def become(request: dict[str, Any], streams: Sequence[int]) -> None:
    """Take over what a request contains, and the descriptors of its standard streams.

    The streams in `sys` stay: they have the same descriptors, and nothing was read or written yet.
    """
    for standard, descriptor in enumerate(streams):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    sys.argv[1:] = request["arguments"]
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    if request["own_group"]:
        os.setsid()


if __name__ == "__main__":
    with loading():
        for module in MODULES:
            importlib.import_module(module)
    assert threading.active_count() == 1  # a forked process has no other thread
    serve(socket.socket(fileno=int(sys.argv[1])))
    raise SystemExit(main())
