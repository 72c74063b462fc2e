"""Send random messages to the running server, over stdio and HTTP, and print what must not happen.

Nothing leaves this machine: the server's Track API is a process on loopback. The same seed sends the same messages.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import count
from math import inf
from pathlib import Path
from typing import Final

from fuzz.findings import Findings
from fuzz.http import fuzz_http
from fuzz.messages import LEGACY, MODERN, Message, Messages
from fuzz.server import COMMAND, Server
from fuzz.stdio import fuzz_stdio
from fuzz.upstream import running_upstream

_CASES: Final = {
    f"stdio-{LEGACY}": (fuzz_stdio, LEGACY, 50_000),
    f"stdio-{MODERN}": (fuzz_stdio, MODERN, 50_000),
    f"http-{LEGACY}": (fuzz_http, LEGACY, 20_000),
    f"http-{MODERN}": (fuzz_http, MODERN, 20_000),
}
"""By name: what runs the case, its protocol, and how many calls it makes by default."""


async def fuzz(
    case: str, seed: int, *, first: int = 1, calls: int, seconds: float = inf, command: Sequence[str] = COMMAND
) -> Findings:
    """Fuzz one case.

    Args:
        case: the transport and the protocol, one of the keys of `_CASES`.
        seed: the seed of the messages.
        first: the number of the first message, counted from 1.
        calls: how many tool calls to send; other messages come on top of it.
        seconds: after how many seconds no further message is sent.
        command: starts the server.
    """
    run, protocol, _ = _CASES[case]
    messages = Messages(seed, protocol)
    findings = Findings(case, seed)
    deadline = time.monotonic() + seconds

    def each() -> Iterator[Message]:
        for number in count(first):
            if findings.calls >= calls or time.monotonic() > deadline:
                return
            message = messages.make(number)
            if message.tool is not None:
                findings.calls += 1
            else:
                findings.others += 1
            yield message

    with tempfile.TemporaryDirectory() as folder:
        async with running_upstream() as upstream:
            server = Server(upstream.url, Path(folder), command)
            await run(each(), messages.list_tools(), findings, server)
    for request in upstream.invalid:
        findings.add("a request to the Track API that is not valid JSON", evidence=request)
    sent = findings.succeeded - findings.joined
    if upstream.confirmed != sent:
        findings.add(
            f"the Track API confirmed {upstream.confirmed} requests, but {sent} calls that were sent succeeded"
        )
    return findings


async def _main() -> bool:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("case", nargs="*", help=f"cases to run: {', '.join(_CASES)}; default: all of them")
    parser.add_argument("--seed", type=int, help="seed of the messages; default: a random one")
    parser.add_argument(
        "--count", type=int, help="tool calls in each case; default: 50 000 over stdio, 20 000 over HTTP"
    )
    parser.add_argument("--first", type=int, default=1, help="number of the first message; default: 1")
    parser.add_argument("--seconds", type=float, default=1800, help="maximum duration of each case; default: 1800")
    options = parser.parse_args()
    if unknown := set(options.case) - set(_CASES):
        parser.error(f"unknown case: {', '.join(sorted(unknown))}; choose from {', '.join(_CASES)}")
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    print(f"seed {seed}", file=sys.stderr)
    done: list[Findings] = []
    for case in options.case or _CASES:
        calls = _CASES[case][2] if options.count is None else options.count
        findings = await fuzz(case, seed, first=options.first, calls=calls, seconds=options.seconds)
        if done:
            findings.compare(done[0])
        print(findings, flush=True)
        done.append(findings)
    return not any(findings.found for findings in done)


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(_main()) else 1)
