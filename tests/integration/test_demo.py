"""The demo: its output, and that it fails if the sandbox recorded something else."""

from __future__ import annotations

import re

import pytest

from customerio_track_mcp.demo import run_demo
from customerio_track_mcp.demo.customers import read_customers
from customerio_track_mcp.sandbox.state import WorkspaceState
from tests.support.process import environment, run


def test_demo_ignores_the_settings_of_a_real_workspace() -> None:
    result = run("demo", env=environment(api_key="real-key", region="mars"))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "36 people, 56 events in 95 requests" in result.stdout
    assert "12 people in segment 2" in result.stdout
    assert len(re.findall("on attempt 2; the event id is ", result.stdout)) == 2
    assert "duplicate of event" in result.stdout
    assert "pass seconds (1672560000" in result.stdout
    assert "FAILED" not in result.stdout
    assert "real-key" not in result.stdout + result.stderr


async def test_demo_fails_if_the_sandbox_recorded_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded_twice: list[str] = []
    track = WorkspaceState.track

    def track_twice(self: WorkspaceState, identifier: str, body: dict[str, object]) -> None:
        track(self, identifier, body)
        if not recorded_twice:
            recorded_twice.append(identifier)
            track(self, identifier, body | {"id": None})

    monkeypatch.setattr(WorkspaceState, "track", track_twice)
    lines: list[str] = []
    assert await run_demo(lines.append) == 1
    assert "FAILED: send_event: the tools confirmed 56, the sandbox recorded 57" in lines


def test_example_customers_are_distinct() -> None:
    customers = read_customers()
    assert len(customers) >= 24
    for name in ("customer_id", "email"):
        assert len({customer[name] for customer in customers}) == len(customers)
    assert any("+" in customer["email"] for customer in customers)
    assert any(not customer["attributes"]["last_name"].isascii() for customer in customers)
