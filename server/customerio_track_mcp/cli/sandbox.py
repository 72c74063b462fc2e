"""Run the sandbox alone."""

from __future__ import annotations

from customerio_track_mcp.cli.options.sandbox import SandboxOptions
from customerio_track_mcp.cli.output import print_status
from customerio_track_mcp.cli.running_sandbox import running_sandbox
from customerio_track_mcp.sandbox import CertificateError, LocalCertificate, create_certificate
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.signals import stop_signals
from customerio_track_mcp.track import is_loopback


async def serve_sandbox(options: SandboxOptions) -> int:
    """Run a sandbox until SIGTERM or SIGINT; return the exit status.

    Raises:
        SettingsError: its data file or the file of its CA certificate cannot be used.
        OSError: the address cannot be listened on.
    """
    if not is_loopback(options.host):
        print_status(f"WARNING: --host {options.host} lets others on the network see and change this sandbox")
    certificate = _certificate(options) if options.tls else None
    with stop_signals() as next_signal:
        async with running_sandbox(
            options,
            options.host,
            options.port,
            certificate=certificate,
            ca_file=options.ca_file,
            allowed_hosts=options.allow_hosts,
        ):
            await next_signal()
    return 0


def _certificate(options: SandboxOptions) -> LocalCertificate:
    try:
        return create_certificate([options.host, *options.allow_hosts])
    except CertificateError as error:
        raise SettingsError([f"--tls: {error}"]) from None
