"""What is imported with the first request, failure and retry can be imported before."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

PROGRAM: Final = """\
import asyncio
import socket
import sys

from customerio_track_mcp.track import Credentials, RetryPolicy, TrackClient, UnavailableError, preload

async def fail(url):
    policy = RetryPolicy(max_attempts=2, initial_backoff=0)
    async with TrackClient(Credentials("site", "key"), url, retry_policy=policy) as client:
        try:
            await client.track("42", "seen")
        except UnavailableError as error:
            assert error.attempts == 2

preload()
loaded = set(sys.modules)
with socket.socket() as unused:
    unused.bind(("127.0.0.1", 0))  # and does not listen
    asyncio.run(fail(f"http://127.0.0.1:{unused.getsockname()[1]}"))
libraries = {name.partition(".")[0] for name in set(sys.modules) - loaded}
print(sorted(libraries - sys.stdlib_module_names))
"""


def test_after_preload_a_failed_call_imports_nothing() -> None:
    """A service would serve nobody while it imports."""
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
