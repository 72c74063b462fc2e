"""The same requests without MCP, sent by this project's client and by other clients.

`python -m benchmarks.clients NAME URL IN_FLIGHT SECONDS` measures one of them and prints a `Sample` as JSON.
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

from benchmarks.load import Call, measure

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
            response = await client.post(f"{url}/api/v1/customers/{_PERSON}/events", json=body)
            response.raise_for_status()

    yield call


@asynccontextmanager
async def _async_customerio(url: str, in_flight: int) -> AsyncIterator[Call]:
    from async_customerio import AsyncCustomerIO

    del in_flight
    address = urlsplit(url)
    client = AsyncCustomerIO("site", "key", host=address.hostname, port=address.port)

    async def call() -> None:
        await client.track(_PERSON, _EVENT, **_DATA)

    yield call
    await client.close()


@asynccontextmanager
async def _customerio(url: str, in_flight: int) -> AsyncIterator[Call]:
    """Use the vendor's package, which is synchronous: one thread and one client for each call in flight."""
    from queue import SimpleQueue

    from customerio import CustomerIO

    address = urlsplit(url)
    idle_clients: SimpleQueue[Any] = SimpleQueue()
    for _ in range(in_flight):
        idle_clients.put(CustomerIO("site", "key", host=address.hostname, port=address.port))
    loop, threads = asyncio.get_running_loop(), ThreadPoolExecutor(in_flight)

    def track() -> None:
        client = idle_clients.get()
        client.track(_PERSON, _EVENT, data=_DATA)
        idle_clients.put(client)

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
"""By name: a context manager that takes a base URL and the number of calls in flight, and yields the call to repeat."""


async def _main(name: str, url: str, in_flight: int, seconds: float) -> None:
    async with CLIENTS[name](url, in_flight) as call:
        sample = await measure(call, in_flight, seconds, time.process_time)
    print(json.dumps(asdict(sample)))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
