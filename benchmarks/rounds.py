"""Workloads measured in turns, so that other activity on the machine affects all of them alike."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from benchmarks.load import Sample, measure
from benchmarks.processes import python
from benchmarks.servers import FailedCallError, Server


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to measure.

    Attributes:
        rounds: turns per workload.
        seconds: duration of a turn.
        calls: number of calls in the memory benchmark; the profile takes a tenth of them.
    """

    rounds: int = 7
    seconds: float = 1.25
    calls: int = 50_000


class Workload(Protocol):
    """Something to measure under load."""

    async def sample(self, in_flight: int, seconds: float) -> Sample:
        """Measure `seconds` of load with `in_flight` concurrent calls."""


@dataclass(frozen=True, slots=True)
class ServerWorkload(Workload):
    """One call, repeated, to a running server.

    Attributes:
        server: the server.
        request: the call, as returned by `tool_call`.
    """

    server: Server
    request: bytes

    async def sample(self, in_flight: int, seconds: float) -> Sample:
        """Call the server for `seconds`; the CPU time is the server's."""
        return await measure(lambda: self.server.call(self.request), in_flight, seconds, self.server.meter.cpu_seconds)


@dataclass(frozen=True, slots=True)
class ClientWorkload(Workload):
    """A client without MCP, in a new process for each sample.

    Attributes:
        name: a key of `CLIENTS`.
        url: the Track API's base URL.
        environment: the environment of the process.
    """

    name: str
    url: str
    environment: Mapping[str, str]

    async def sample(self, in_flight: int, seconds: float) -> Sample:
        """Send events for `seconds`; the CPU time is the client's.

        Raises:
            FailedCallError: the process failed.
        """
        command = python("clients", self.name, self.url, str(in_flight), str(seconds))
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, env=dict(self.environment)
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise FailedCallError(f"{self.name} ended with status {process.returncode}")
        return Sample(**json.loads(output))


async def measure_in_turns(
    workloads: Mapping[str, Workload], in_flight: int, effort: Effort
) -> dict[str, list[Sample]]:
    """Return one sample of each workload per round. Every second round runs in reverse order."""
    samples: dict[str, list[Sample]] = {name: [] for name in workloads}
    for number in range(effort.rounds):
        for name in list(workloads)[:: -1 if number % 2 else 1]:
            samples[name].append(await workloads[name].sample(in_flight, effort.seconds))
    return samples
