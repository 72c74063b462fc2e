"""Run a sandbox in this process, and print where it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from customerio_track_mcp.cli.browser import open_in_browser
from customerio_track_mcp.cli.options.stdio import SandboxPageOptions
from customerio_track_mcp.cli.output import print_status
from customerio_track_mcp.settings.errors import SettingsError

if TYPE_CHECKING:
    from customerio_track_mcp.sandbox import LocalCertificate, RunningSandbox


@asynccontextmanager
async def running_sandbox(
    options: SandboxPageOptions,
    host: str,
    port: int,
    *,
    certificate: LocalCertificate | None = None,
    ca_file: Path | None = None,
    allowed_hosts: Collection[str] = (),
) -> AsyncIterator[RunningSandbox]:
    """Run a sandbox until the block ends; print its URL, and open its page if `options` say so.

    Args:
        options: those of every sandbox.
        host: the address to listen on.
        port: 0 for any free port.
        certificate: the certificate to serve https with; None for plain HTTP.
        ca_file: where to write the certificate's CA; None for the default file.
        allowed_hosts: hostnames that clients reach it by, besides `localhost` and `host`.

    Raises:
        SettingsError: its data file or the file of its CA certificate cannot be used.
        OSError: the address cannot be listened on.
    """
    from customerio_track_mcp.sandbox import DataFileError, run_sandbox

    async def play_demo(url: str) -> None:
        from customerio_track_mcp.demo import play  # loads an MCP client

        await play(url, ca_file)

    async with AsyncExitStack() as stack:
        try:
            sandbox = await stack.enter_async_context(
                run_sandbox(
                    host=host,
                    port=port,
                    data=options.data,
                    ssl_context=certificate.context if certificate else None,
                    play_demo=play_demo,
                    allowed_hosts=allowed_hosts,
                )
            )
        except DataFileError as error:
            raise SettingsError([f"--data: {error}"]) from None
        lines: Iterable[str] = ()
        if certificate is not None:
            from customerio_track_mcp.cli.ca_file import write_ca_file
            from customerio_track_mcp.cli.tls_clients import client_lines

            # After the port was bound, so that a start that fails leaves the file of the sandbox that is there.
            bound_port = urlsplit(sandbox.url).port or port
            ca_file = write_ca_file(ca_file, bound_port, certificate.ca_pem)
            lines = client_lines(certificate, ca_file, bound_port)
        print_status(f"sandbox Track API at {sandbox.url} (no real data); open it in a browser to watch")
        for line in lines:
            print_status(line)
        if options.open:
            open_in_browser(sandbox.url)
        yield sandbox
