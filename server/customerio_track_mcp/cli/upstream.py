"""Choose where a server's calls go: the workspace in the settings, or a sandbox.

The sandbox is the one that is named, else the one of this version that runs already, else an embedded one.
"""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from customerio_track_mcp import __version__
from customerio_track_mcp.cli.options import SandboxPageOptions, StdioOptions
from customerio_track_mcp.cli.output import print_status
from customerio_track_mcp.cli.sandbox_identity import (
    NoSandboxError,
    require_sandbox_of_this_version,
    sandbox_version_when_started,
)
from customerio_track_mcp.cli.sandbox_takeover import taking_over
from customerio_track_mcp.instrumentation.logs import configure_logging
from customerio_track_mcp.settings.base import SettingsError
from customerio_track_mcp.settings.server import API_CREDENTIALS_PAGE, LogLevel, Settings
from customerio_track_mcp.track import Credentials, Region, is_loopback
from customerio_track_mcp.upstream import RecordCall, Upstream

if TYPE_CHECKING:
    from customerio_track_mcp.cli.certificate import LocalCertificate
    from customerio_track_mcp.sandbox import RunningSandbox

logger = logging.getLogger("customerio_track_mcp.startup")

_LOOPBACK: Final = "127.0.0.1"
_SETTINGS_PREFIXES: Final = ("CUSTOMERIO_", "OTEL_")
"""OpenTelemetry's variables may contain the headers that authenticate its exporter."""

_OF_WORKSPACE: Final = {"api_key": None, "site_id": None, "key_store": None, "track_url": None, "region": Region.US}
"""Instead of the environment's settings that are not for the sandbox, so that they need not be valid."""

_Options = TypeVar("_Options", bound=StdioOptions)


def with_sandbox_setting(options: _Options) -> _Options:
    """Return `options` with the sandbox that the settings ask for: hosts that show a form cannot add an option.

    The option alone leaves it to the settings which sandbox it is. Invalid settings are ignored here. Whoever reads all
    of them next reports them together.
    """
    if isinstance(options.sandbox, str):
        return options
    try:
        settings = Settings.from_environment(**_OF_WORKSPACE)
    except SettingsError:
        return options
    return replace(options, sandbox=settings.sandbox or options.sandbox)


@asynccontextmanager
async def open_upstream(options: StdioOptions, default_log_level: LogLevel) -> AsyncIterator[Upstream]:
    """Find the upstream for the server that `options` ask for, and set up logging for it.

    An embedded sandbox runs until the block ends.

    Args:
        options: which upstream to find.
        default_log_level: the log level if it is not set.

    Raises:
        SettingsError: a setting is invalid, or no sandbox answers at the URL that is named.
        OSError: the sandbox cannot listen on any port.
    """
    async with AsyncExitStack() as stack:
        is_dry_run = options.dry_run
        upstream = None if options.sandbox else settings_upstream(dry_run=is_dry_run)
        settings = sandbox_settings(dry_run=is_dry_run) if upstream is None else upstream.settings
        logging_settings = settings.with_defaults(log_level=default_log_level)
        configure_logging(logging_settings.log_level, logging_settings.log_format)
        if upstream is None:
            upstream = await _open_sandbox(options, settings, stack)
        _report(settings)
        yield upstream


def _report(settings: Settings) -> None:
    """Print why calls will not reach a workspace."""
    missing = settings.missing_credentials
    if settings.dry_run:
        notify = startup_notifier(settings)
        notify("dry run: nothing is sent")
        if missing:
            notify(f"{missing}; a dry run needs no credentials, but a server that sends does")
    elif missing:
        # An error, so that it is shown at every log level.
        notify = startup_notifier(settings, logger.error)
        notify(f"{missing}; every call fails until that is done ({API_CREDENTIALS_PAGE}; no account? try --sandbox)")


def settings_upstream(*, dry_run: bool = False) -> Upstream:
    """Return the workspace that the settings name, which may be a sandbox on this machine.

    Args:
        dry_run: whether nothing is sent, whatever the settings say.

    Raises:
        SettingsError: a setting is invalid.
    """
    settings = Settings.from_environment(**_overrides(dry_run=dry_run))
    if _is_sandbox(settings):
        return _sandbox_upstream(settings, settings.base_url)
    return Upstream(settings, settings.base_url)


def _is_sandbox(settings: Settings) -> bool:
    if not is_loopback(urlsplit(settings.base_url).hostname or ""):
        return False
    from customerio_track_mcp.sandbox import SANDBOX_API_KEY, SANDBOX_SITE_ID

    return settings.credentials == Credentials(SANDBOX_SITE_ID, SANDBOX_API_KEY)


def sandbox_upstream(url: str, *, dry_run: bool = False) -> Upstream:
    """Return the sandbox at `url`, with the sandbox's own credentials.

    Args:
        url: the sandbox's base URL.
        dry_run: whether nothing is sent, whatever the settings say.

    Raises:
        SettingsError: a setting is invalid.
    """
    return _sandbox_upstream(sandbox_settings(dry_run=dry_run), url)


def sandbox_settings(*, dry_run: bool = False) -> Settings:
    """Return the settings with the sandbox's own credentials; those of the workspace need not be valid.

    Args:
        dry_run: whether nothing is sent, whatever the settings say.

    Raises:
        SettingsError: a setting is invalid.
    """
    from customerio_track_mcp.sandbox import SANDBOX_API_KEY, SANDBOX_SITE_ID

    credentials = {"api_key": SANDBOX_API_KEY, "site_id": SANDBOX_SITE_ID}
    return Settings.from_environment(**_OF_WORKSPACE | credentials | _overrides(dry_run=dry_run))


def local_sandbox_url(port: int) -> str:
    """Return the URL of a sandbox that runs on a port of this machine."""
    return f"http://{_LOOPBACK}:{port}"


def _sandbox_upstream(settings: Settings, url: str, record_call: RecordCall | None = None) -> Upstream:
    note = f"This is a sandbox without real data: watch what arrives at {url}"
    return Upstream(settings, url, note, is_sandbox=True, record_call=record_call)


def _overrides(*, dry_run: bool) -> dict[str, bool]:
    # Only to switch it on: without the option, the settings decide.
    return {"dry_run": True} if dry_run else {}


def startup_notifier(settings: Settings, log: Callable[[str], None] = logger.warning) -> Callable[[str], None]:
    """Return how startup lines are written: printed for people, or passed to `log` if logs are JSON."""
    return print_status if settings.log_format == "text" else log


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
            _open_in_browser(sandbox.url)
        yield sandbox


async def _open_sandbox(options: StdioOptions, settings: Settings, stack: AsyncExitStack) -> Upstream:
    """Return the sandbox that `options` name, else the one that runs already, else one that runs until `stack` ends.

    Raises:
        SettingsError: the named one does not answer, or the port or the data file cannot be used.
        OSError: a sandbox cannot listen on any port.
    """
    if isinstance(options.sandbox, str):
        await _require_named(options, options.sandbox, settings)
        return _sandbox_upstream(settings, options.sandbox)
    notify, port = startup_notifier(settings), settings.sandbox_port
    reason = f"port {port} is in use, and --data needs a sandbox of its own"
    for _ in range(2):  # another server may start one between the look and the attempt to listen
        if options.data is None and port:
            try:
                return await _find(options, settings, stack)
            except NoSandboxError as error:
                reason = str(error)
        try:
            sandbox = await stack.enter_async_context(running_sandbox(options, _LOOPBACK, port))
            break
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                cause = os.strerror(error.errno) if error.errno else error
                problem = f"CUSTOMERIO_SANDBOX_PORT: cannot listen on port {port}: {cause}; set another port"
                raise SettingsError([problem]) from None
    else:
        notify(f"{reason}: this server starts its own on another port")
        sandbox = await stack.enter_async_context(running_sandbox(options, _LOOPBACK, 0))
    return _sandbox_upstream(settings, sandbox.url, sandbox.record_call)


async def _require_named(options: StdioOptions, url: str, settings: Settings) -> None:
    notify = startup_notifier(settings)
    if options.data is not None:
        raise SettingsError(["--data needs a sandbox of its own: leave it out, or the URL of the sandbox"])
    try:
        version = await sandbox_version_when_started(url)
    except NoSandboxError as error:
        advice = f"{error.advice}, or " if error.advice else ""
        raise SettingsError([f"{error}; {advice}correct the URL in --sandbox or CUSTOMERIO_SANDBOX"]) from None
    notify(f"using the sandbox Track API at {url} (no real data); open it in a browser to watch")
    if version != __version__:
        notify(f"WARNING: that sandbox is of version {version}, and this server of {__version__}")
    if not is_loopback(urlsplit(url).hostname or ""):
        notify(f"WARNING: all data of calls goes to {url}, which is not on this machine: use made-up data only")
    if options.open:
        _open_in_browser(url)


async def _find(options: StdioOptions, settings: Settings, stack: AsyncExitStack) -> Upstream:
    """Return the sandbox that runs already; if it stops before `stack` ends, one is started in its place.

    Raises:
        NoSandboxError: there is none of this version.
    """
    port = settings.sandbox_port
    url = local_sandbox_url(port)
    await require_sandbox_of_this_version(url)
    notify = startup_notifier(settings)
    notify(f"using the sandbox Track API at {url}, which runs already (no real data); open it in a browser to watch")
    if options.open:
        _open_in_browser(url)

    def report_takeover() -> None:
        notify("that is the port of the sandbox that was used before and has stopped, with everything it contained")

    start = partial(running_sandbox, SandboxPageOptions(), _LOOPBACK, port)
    await stack.enter_async_context(taking_over(_LOOPBACK, port, start, report_takeover))
    return _sandbox_upstream(settings, url)


def _open_in_browser(url: str) -> None:
    # In its own process: what a browser prints must not reach stdout, which carries the protocol.
    # -I: import nothing from the working directory or PYTHONPATH. `cwd`: a relative entry of PATH must not lead there.
    command = [sys.executable, "-I", "-m", "webbrowser", url]
    root = Path(sys.executable).anchor or None
    null = subprocess.DEVNULL
    subprocess.Popen(  # noqa: S603
        command,
        stdin=null,
        stdout=null,
        stderr=null,
        cwd=root,
        env=environment_without_settings(),
        start_new_session=True,
    )


def environment_without_settings() -> dict[str, str]:
    """Return the environment without the settings of this server, which include keys and tokens.

    Everything that another program starts, such as the helpers of a browser's extensions, could read them.
    """
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(_SETTINGS_PREFIXES)}
