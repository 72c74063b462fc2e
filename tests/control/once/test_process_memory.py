"""The memory of one process: what it remembers, for how long, and how much."""

from __future__ import annotations

import pytest

from customerio_track_mcp.control.once import memory as memory_module
from customerio_track_mcp.control.once.memory import MAX_ENTRIES, ProcessMemory


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, as the only element."""
    now = [1000.0]
    monkeypatch.setattr(memory_module, "monotonic", lambda: now[0])
    return now


async def claimed(memory: ProcessMemory, fingerprint: bytes, event_id: str) -> str:
    return (await memory.claim(fingerprint, event_id)).event_id


async def test_an_id_is_remembered_while_its_call_runs_and_for_the_window(clock: list[float]) -> None:
    memory = ProcessMemory(900, 30)
    assert not (await memory.claim(b"a", "1")).is_reused
    clock[0] += 929
    claim = await memory.claim(b"a", "2")
    assert (claim.event_id, claim.is_reused, claim.is_shared) == ("1", True, False)
    clock[0] += 929  # a claim starts it anew
    assert await claimed(memory, b"a", "3") == "1"
    clock[0] += 930
    assert await claimed(memory, b"a", "4") == "4"


async def test_the_window_starts_anew_when_an_id_is_kept(clock: list[float]) -> None:
    memory = ProcessMemory(900, 30)
    await memory.claim(b"a", "1")
    clock[0] += 600
    memory.keep(b"a", "1")
    clock[0] += 899
    assert memory.get(b"a") == "1"
    clock[0] += 1
    assert memory.get(b"a") is None
    assert await claimed(memory, b"b", "2") == "2"
    assert len(memory) == 1


async def test_only_the_id_that_is_named_is_forgotten_or_kept() -> None:
    memory = ProcessMemory(900, 30)
    memory.forget(b"a", "1")
    memory.keep(b"a", "1")
    assert len(memory) == 0
    await memory.claim(b"a", "2")
    memory.forget(b"a", "1")
    memory.keep(b"a", "1")
    assert memory.get(b"a") == "2"
    memory.forget(b"a", "2")
    assert memory.get(b"a") is None


async def test_the_oldest_goes_first() -> None:
    memory = ProcessMemory(900, 30)
    for number in range(MAX_ENTRIES + 10):
        await memory.claim(b"%d" % number, str(number))
    assert len(memory) == MAX_ENTRIES
    assert [number for number in range(20) if memory.get(b"%d" % number)] == list(range(10, 20))


async def test_a_used_id_is_not_the_oldest() -> None:
    memory = ProcessMemory(900, 30, max_entries=3)
    for name in (b"a", b"b", b"c"):
        await memory.claim(name, name.decode())
    memory.keep(b"a", "a")
    await memory.claim(b"b", "x")
    await memory.claim(b"d", "d")
    assert [memory.get(name) for name in (b"a", b"b", b"c", b"d")] == ["a", "b", None, "d"]
