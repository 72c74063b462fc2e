"""docs/privacy.md: what a session connects to, sends and writes, as Python's audit events show it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import anyio

from tests.support.documents import PRIVACY
from tests.support.messages import INITIALIZE
from tests.support.process import environment, run
from tests.support.scripted_server import ScriptedServer

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
_IGNORED: Final = re.compile(r"^\['open', '(/proc/self/fd/2|/dev/null)'\]$")
"""stderr, which is opened again so that it never blocks."""
CALLS: Final[Mapping[str, Mapping[str, object]]] = {
    "create_or_update_customer": {"customer_id": "1042", "email": "ann@example.com", "attributes": {"plan": "pro"}},
    "send_event": {"customer_id": "1042", "event_name": "purchase", "data": {"order": "A-17"}},
    "add_customers_to_segment": {"segment_id": "1", "customer_ids": ["1042"]},
}


def session(folder: Path, *arguments: str, **settings: str) -> list[Any]:
    """Run a session with one call of each tool; return the audit events."""
    (folder / "sitecustomize.py").write_text(AUDITOR, encoding="utf-8")
    log = folder / "events"
    log.touch()
    env = environment(**settings)
    env |= {"AUDIT_LOG": str(log), "PYTHONDONTWRITEBYTECODE": "1"}
    env["PYTHONPATH"] = f"{folder}:{env['PYTHONPATH']}" if env.get("PYTHONPATH") else str(folder)
    messages = [dict(INITIALIZE)]
    messages += [
        {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": name, "arguments": given}}
        for number, (name, given) in enumerate(CALLS.items(), start=1)
    ]
    process = run(*arguments, stdin="".join(f"{json.dumps(message)}\n" for message in messages), env=env)
    assert process.returncode == 0, process.stderr
    assert process.stdout.count('"isError":false') == len(CALLS), process.stdout
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return [event for event in events if not _IGNORED.search(str(event))]


async def test_a_session_connects_to_the_track_api_alone_and_writes_nothing(
    scripted: ScriptedServer, tmp_path: Path
) -> None:
    events = await anyio.to_thread.run_sync(lambda: session(tmp_path, api_key="site:key", track_url=scripted.url))
    port = int(scripted.url.rpartition(":")[2])
    assert [event for event in events if event != ["socket.connect", ["127.0.0.1", port]]] == []
    assert events

    assert [(request.line.split()[0], sorted(request.json)) for request in scripted.requests] == [
        ("PUT", ["email", "plan"]),
        ("POST", ["data", "id", "name"]),
        ("POST", ["ids"]),
    ]
    (documented,) = re.findall(r"has the headers (.+?)\. ", " ".join(PRIVACY.split()))
    names = {name.lower() for name in re.findall(r"`([\w-]+)`", documented)}
    for request in scripted.requests:
        assert set(request.headers) == names


def test_a_session_with_the_sandbox_stays_on_this_machine_and_writes_nothing(tmp_path: Path) -> None:
    events = session(tmp_path, "--sandbox")
    connections = [address for event, address in events if event == "socket.connect"]
    assert connections
    assert {address[0] for address in connections} == {"127.0.0.1"}
    assert {event for event, _ in events} <= {"socket.connect", "socket.getaddrinfo"}
