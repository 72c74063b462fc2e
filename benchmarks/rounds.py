"""Contestants measured in turns, so that what else the machine does falls on all of them alike."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from benchmarks.load import Sample, drive
from benchmarks.processes import python
from benchmarks.servers import FailedCallError, Server


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Attributes:
        rounds: how often each contestant has its turn.
        seconds: how long a turn is.
        calls: how many calls the memory is watched over.
    """

    rounds: int = 7
    seconds: float = 1.5
    calls: int = 50_000


class Contestant(Protocol):
    """Something that can be put under load."""

    async def sample(self, in_flight: int, seconds: float) -> Sample:
        """Be under load for `seconds`."""


@dataclass(frozen=True, slots=True)
class Calls(Contestant):
    """The same call again and again of a server that runs.

    Attributes:
        server: the server.
        request: the call, as `call_of` makes it.
    """

    server: Server
    request: bytes

    async def sample(self, in_flight: int, seconds: float) -> Sample:
        """Call for `seconds`."""
        return await drive(lambda: self.server.call(self.request), in_flight, seconds, self.server.meter.cpu_seconds)


@dataclass(frozen=True, slots=True)
class Client(Contestant):
    """A client without MCP, in a new process each time.

    Attributes:
        name: which of `CLIENTS`.
        url: the Track API's base URL.
        environment: the process's environment.
    """

    name: str
    url: str
    environment: Mapping[str, str]

    async def sample(self, in_flight: int, seconds: float) -> Sample:
        """Send events for `seconds`."""
        command = python("clients", self.name, self.url, str(in_flight), str(seconds))
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, env=dict(self.environment)
        )
        told, _ = await process.communicate()
        if process.returncode:
            raise FailedCallError(f"{self.name} ended with status {process.returncode}")
        return Sample(**json.loads(told))


async def in_turns(contestants: Mapping[str, Contestant], in_flight: int, effort: Effort) -> dict[str, list[Sample]]:
    """A sample of each contestant in each round, every other round the other way about."""
    samples: dict[str, list[Sample]] = {name: [] for name in contestants}
    for number in range(effort.rounds):
        for name in list(contestants)[:: -1 if number % 2 else 1]:
            samples[name].append(await contestants[name].sample(in_flight, effort.seconds))
    return samples
