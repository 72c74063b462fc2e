"""What parts of the MCP SDK cost, from the scripts in `benchmarks.upstream`."""

from __future__ import annotations

import asyncio
from typing import Final

from benchmarks.processes import environment, python
from benchmarks.report import Report
from benchmarks.rounds import Effort
from benchmarks.servers import FailedCallError

_SCRIPTS: Final = ("spans", "validation", "schema_walk", "responses", "stdio")


async def upstream(report: Report, effort: Effort) -> None:
    """Run each script, and collect the rows that it prints.

    Raises:
        FailedCallError: one of them failed.
    """
    report.notes += ["", "| CPU time per call, in the SDK | as it is | otherwise |", "| --- | ---: | ---: |"]
    for script in _SCRIPTS:
        process = await asyncio.create_subprocess_exec(
            *python(f"upstream.{script}", str(2 * effort.rounds)), stdout=asyncio.subprocess.PIPE, env=environment("")
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise FailedCallError(f"{script} ended with status {process.returncode}")
        report.notes += output.decode().splitlines()
