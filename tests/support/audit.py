"""What a subprocess connects to, looks up and writes, as Python's audit events show it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

AUDITOR: Final = """\
import json, os, sys

shown = {"socket.getaddrinfo", "os.mkdir", "os.rename", "sqlite3.connect", "subprocess.Popen", "os.posix_spawn"}
log = os.open(os.environ["AUDIT_LOG"], os.O_WRONLY | os.O_APPEND)

def record(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        writes = set(mode or "") & set("wax+") or (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if not isinstance(path, (str, bytes)) or not writes:
            return
        details = os.fsdecode(path)
    elif event == "socket.connect":
        details = list(arguments[1]) if isinstance(arguments[1], tuple) else str(arguments[1])
    elif event in shown:
        details = str(arguments[0])
    else:
        return
    os.write(log, (json.dumps([event, details]) + "\\n").encode())

sys.addaudithook(record)
"""


def audited(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process whose audit events, and those of its workers, are recorded in `folder`."""
    (folder / "sitecustomize.py").write_text(AUDITOR, encoding="utf-8")
    log = folder / "events"
    log.touch()
    inherited = environment.get("PYTHONPATH")
    return {
        **environment,
        "AUDIT_LOG": str(log),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": f"{folder}:{inherited}" if inherited else str(folder),
    }


def audit_events(folder: Path) -> list[Any]:
    """Return the recorded events, each a pair of its name and its details."""
    return [json.loads(line) for line in (folder / "events").read_text(encoding="utf-8").splitlines()]
