"""docs/privacy.md: what a session connects to, sends and writes, as Python's audit events show it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import anyio

from tests.support.audit import audit_events, audited
from tests.support.documents import PRIVACY
from tests.support.messages import INITIALIZE
from tests.support.process import environment, run
from tests.support.scripted_server import ScriptedServer

_IGNORED: Final = re.compile(r"^\['open', '(/proc/self/fd/2|/dev/null)'\]$")
"""stderr, which is opened again so that it never blocks."""
CALLS: Final[Mapping[str, Mapping[str, object]]] = {
    "create_or_update_customer": {"customer_id": "1042", "email": "ann@example.com", "attributes": {"plan": "pro"}},
    "send_event": {"customer_id": "1042", "event_name": "purchase", "data": {"order": "A-17"}},
    "add_customers_to_segment": {"segment_id": "1", "customer_ids": ["1042"]},
}


def session(folder: Path, *arguments: str, **settings: str) -> list[Any]:
    """Run a session with one call of each tool; return the audit events."""
    env = audited(folder, environment(**settings))
    messages = [dict(INITIALIZE)]
    messages += [
        {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": name, "arguments": given}}
        for number, (name, given) in enumerate(CALLS.items(), start=1)
    ]
    process = run(*arguments, stdin="".join(f"{json.dumps(message)}\n" for message in messages), env=env)
    assert process.returncode == 0, process.stderr
    assert process.stdout.count('"isError":false') == len(CALLS), process.stdout
    return [event for event in audit_events(folder) if not _IGNORED.search(str(event))]


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


def test_a_session_with_a_write_log_writes_that_file_alone(tmp_path: Path) -> None:
    log = tmp_path / "writes"
    events = session(tmp_path, "--sandbox", write_log=str(log))
    assert {details for event, details in events if event not in ("socket.connect", "socket.getaddrinfo")} == {str(log)}
    assert len(log.read_text(encoding="ascii").splitlines()) == len(CALLS)
    assert "| The file of `CUSTOMERIO_WRITE_LOG` |" in PRIVACY


def test_a_session_with_the_sandbox_stays_on_this_machine_and_writes_nothing(tmp_path: Path) -> None:
    events = session(tmp_path, "--sandbox")
    connections = [address for event, address in events if event == "socket.connect"]
    assert connections
    assert {address[0] for address in connections} == {"127.0.0.1"}
    assert {event for event, _ in events} <= {"socket.connect", "socket.getaddrinfo"}
