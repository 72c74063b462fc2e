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
from typing import Any, Final

from customerio_track_mcp.__main__ import main
from customerio_track_mcp.module_loading import loading

MODULES: Final = (
    "customerio_track_mcp.cli.main",
    "customerio_track_mcp.http.service",
    "customerio_track_mcp.sandbox.server",
    "customerio_track_mcp.stdio.transport",
)
MAX_REQUEST: Final = 2**18


def serve(requests: socket.socket) -> None:
    """Fork at each request until there are none. Returns in a forked process, which must run the command.

    The command is the child of a process that does nothing but wait for it.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel removes those that have waited
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, MAX_REQUEST, 4)
        if not request:
            os._exit(0)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            requests.close()
            *streams, life = descriptors
            process_id = os.fork()
            if process_id == 0:
                os.close(life)
                become(json.loads(request), streams)
                return
            for descriptor in streams:
                os.close(descriptor)
            os.write(life, f"{process_id}\n".encode())
            # The process id must stay in use until the exit status can be read: a test may send a signal to it.
            ended = os.waitid(os.P_PID, process_id, os.WEXITED | os.WNOWAIT)
            assert ended is not None
            status = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
            os.write(life, f"{status}\n".encode())
            os.waitpid(process_id, 0)
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
