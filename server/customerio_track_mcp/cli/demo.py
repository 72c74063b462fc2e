"""Run the demo, keep its page if that was asked for, and say what to do next."""

from __future__ import annotations

import errno
import shlex
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from customerio_track_mcp.cli.options.demo import DemoOptions
from customerio_track_mcp.cli.options.stdio import SandboxPageOptions
from customerio_track_mcp.cli.output import print_result, print_status
from customerio_track_mcp.cli.running_sandbox import running_sandbox
from customerio_track_mcp.cli.sandbox_upstream import LOOPBACK, local_sandbox_url, sandbox_settings
from customerio_track_mcp.hosts.entries import PROGRAM
from customerio_track_mcp.signals import stop_signals

if TYPE_CHECKING:
    from customerio_track_mcp.sandbox import RunningSandbox

_INSTALL: Final = "install claude-desktop --sandbox"


async def show_demo(options: DemoOptions) -> int:
    """Run the demo; return the exit status, which is 0 if it passed.

    Raises:
        SettingsError: CUSTOMERIO_SANDBOX_PORT is invalid, or another setting that the page's sandbox shares.
        OSError: the sandbox cannot listen.
    """
    import httpx
    from mcp import MCPError

    try:
        return await (_show_on_page() if options.open else _show())
    except (httpx.HTTPError, MCPError) as error:
        print_status(f"the demo's server or sandbox failed ({type(error).__name__}: {error})")
        return 1


async def _show() -> int:
    from customerio_track_mcp.demo import run_demo

    status = await run_demo(print_result)
    if status == 0:
        print_result("Next:")
        command = own_command()
        print_result(f"  Watch it on the sandbox's page: {command} demo --open")
        print_result(f"  Try it in an MCP host: {command} {_INSTALL} ('install --list' shows the other hosts)")
    return status


async def _show_on_page() -> int:
    from customerio_track_mcp.demo import run_scenario

    port = sandbox_settings().sandbox_port
    async with _open_sandbox(port) as sandbox:
        status = await run_scenario(sandbox.url, print_result, is_watched=True)
        with stop_signals() as next_signal:
            for line in _next_steps(sandbox.url, port):
                print_result(line)
            await next_signal()
    return status


@asynccontextmanager
async def _open_sandbox(port: int) -> AsyncIterator[RunningSandbox]:
    """Run a sandbox with its page open, on the port where --sandbox looks for one, or on any free port.

    A sandbox that is there is somebody's: its data stays as it is, and would not be what the demo's check expects.
    """
    options = SandboxPageOptions(open=True)
    async with AsyncExitStack() as stack:
        try:
            sandbox = await stack.enter_async_context(running_sandbox(options, LOOPBACK, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            sandbox = await stack.enter_async_context(running_sandbox(options, LOOPBACK, 0))
        yield sandbox


def _next_steps(url: str, port: int) -> Iterator[str]:
    install = f"{own_command()} {_INSTALL}"
    if url != local_sandbox_url(port):
        install = f"{install} {url}"
        if port:
            yield f"Port {port} is in use, perhaps by another sandbox: --sandbox alone does not find this one."
    yield "Next:"
    yield f"  Look at the page: {url}"
    yield f"  Attach an MCP host to this sandbox: {install} ('install --list' shows the other hosts)"
    yield '  Ask its model: "Add ada@example.com to Customer.io as customer ada, on the pro plan." Watch the page.'
    yield "Press Ctrl+C to stop the sandbox."


def own_command() -> str:
    """Return what a shell finds this program by: its path if it is not on PATH, as after `make demo`."""
    script = Path(sys.executable).with_name(PROGRAM)
    return PROGRAM if shutil.which(PROGRAM) or not script.exists() else shlex.quote(str(script))
