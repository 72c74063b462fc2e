"""The same upstream work without MCP, by this project's client and by others: each in a process of its own.

`python -m benchmarks.clients NAME URL IN_FLIGHT SECONDS` prints what was seen.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks.load import Call, drive

_PERSON: Final = "1042"
_EVENT: Final = "purchase"
_DATA: Final[dict[str, Any]] = {"order": "A-17", "total": 49.9}


@asynccontextmanager
async def _track_client(url: str, in_flight: int) -> AsyncIterator[Call]:
    from customerio_track_mcp.track import Credentials, TrackClient

    del in_flight
    async with TrackClient(Credentials("site", "key"), url, requests_per_second=100_000) as client:

        async def call() -> None:
            await client.track(_PERSON, _EVENT, data=_DATA)

        yield call


@asynccontextmanager
async def _new_client_per_call(url: str, in_flight: int) -> AsyncIterator[Call]:
    import httpx

    del in_flight

    async def call() -> None:
        async with httpx.AsyncClient(auth=("site", "key")) as client:
            body = {"name": _EVENT, "data": _DATA}
            reply = await client.post(f"{url}/api/v1/customers/{_PERSON}/events", json=body)
            reply.raise_for_status()

    yield call


@asynccontextmanager
async def _async_customerio(url: str, in_flight: int) -> AsyncIterator[Call]:
    from async_customerio import AsyncCustomerIO

    del in_flight
    parts = urlsplit(url)
    client = AsyncCustomerIO("site", "key", host=parts.hostname, port=parts.port)

    async def call() -> None:
        await client.track(_PERSON, _EVENT, **_DATA)

    yield call
    await client.close()


@asynccontextmanager
async def _customerio(url: str, in_flight: int) -> AsyncIterator[Call]:
    """The vendor's package, which blocks: so many threads as there are calls in flight, each with a client."""
    from queue import SimpleQueue

    from customerio import CustomerIO

    parts = urlsplit(url)
    free: SimpleQueue[Any] = SimpleQueue()
    for _ in range(in_flight):
        free.put(CustomerIO("site", "key", host=parts.hostname, port=parts.port))
    loop, threads = asyncio.get_running_loop(), ThreadPoolExecutor(in_flight)

    def track() -> None:
        client = free.get()
        client.track(_PERSON, _EVENT, data=_DATA)
        free.put(client)

    async def call() -> None:
        await loop.run_in_executor(threads, track)

    yield call
    threads.shutdown()


CLIENTS: Final[dict[str, Callable[[str, int], AbstractAsyncContextManager[Call]]]] = {
    "TrackClient": _track_client,
    "a new httpx client per call": _new_client_per_call,
    "async-customerio": _async_customerio,
    "customerio": _customerio,
}


async def _main(name: str, url: str, in_flight: int, seconds: float) -> None:
    async with CLIENTS[name](url, in_flight) as call:
        sample = await drive(call, in_flight, seconds, time.process_time)
    print(json.dumps(asdict(sample)))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
