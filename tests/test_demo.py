"""The demo: the story that a newcomer sees, and that it would notice if the sandbox held something else."""

from __future__ import annotations

import re

import pytest

from customerio_track_mcp.demo import run_demo
from customerio_track_mcp.demo.customers import read_customers
from customerio_track_mcp.sandbox.state import Workspace
from tests.process import environment, run


def test_the_demo_runs_as_a_command_whatever_is_set_up_for_a_real_workspace() -> None:
    ended = run("demo", env=environment(api_key="real-key", region="mars"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "36 people, 56 events in 95 requests" in ended.stdout
    assert "12 people in segment 2" in ended.stdout
    assert len(re.findall("at attempt 2; the event's id is ", ended.stdout)) == 2
    assert "a repeat of event" in ended.stdout
    assert "in seconds it is 1672560000" in ended.stdout
    assert "FAILED" not in ended.stdout
    assert "real-key" not in ended.stdout + ended.stderr


async def test_the_demo_fails_where_the_sandbox_holds_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded_twice: list[str] = []
    track = Workspace.track

    def track_twice(self: Workspace, identifier: str, body: dict[str, object]) -> None:
        track(self, identifier, body)
        if not recorded_twice:
            recorded_twice.append(identifier)
            track(self, identifier, body | {"id": None})

    monkeypatch.setattr(Workspace, "track", track_twice)
    told: list[str] = []
    assert await run_demo(told.append) == 1
    assert "FAILED: send_event: the tools confirmed 56, the sandbox holds 57" in told


def test_the_examples_are_some_dozens_of_different_people() -> None:
    customers = read_customers()
    assert len(customers) >= 24
    for name in ("customer_id", "email"):
        assert len({customer[name] for customer in customers}) == len(customers)
    assert any("+" in customer["email"] for customer in customers)
    assert any(not customer["attributes"]["last_name"].isascii() for customer in customers)
