"""Is what answers at a URL a sandbox, and of which version? It says so at `GET /_sandbox`."""

from __future__ import annotations

import json
import os
import re
from http import HTTPStatus
from typing import Final

import anyio
import httpx

from customerio_track_mcp import __version__
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.track import create_transport, shorten
from customerio_track_mcp.upstream import SANDBOX_NAME

_PATH: Final = "/_sandbox"
_TIMEOUT: Final = httpx.Timeout(1.5, connect=0.5)
_TOTAL_SECONDS: Final = 2.0
_STARTING_SECONDS: Final = 5.0
"""For how long a sandbox may be silent that is named: containers start in any order."""
_SECONDS_BETWEEN_LOOKS: Final = 0.25
_MAX_VERSION_CHARACTERS: Final = 40
_MAX_REASON_CHARACTERS: Final = 120
_TOO_LATE: Final = "no response in time"
_TLS_ERROR: Final = re.compile(r"\[SSL: (\w+)\] (.*?)(?: \(_ssl\.c:\d+\))?$")
"""Python's own text of an `ssl.SSLError`."""
_ERRNO: Final = re.compile(r"\[Errno (-?\d+)\] ")
"""Part of Python's own text of an `OSError`; after it, asyncio writes which of its functions failed."""


class NoSandboxError(Exception):
    """No sandbox was recognized at a URL; the text says what was found there instead.

    Attributes:
        advice: what to do if a sandbox is expected there; empty if another program has the address.
        may_start: whether one may be about to start there, since nothing has answered.
    """

    def __init__(self, message: str, advice: str = "", *, may_start: bool = False) -> None:
        super().__init__(message)
        self.advice = advice
        self.may_start = may_start


async def sandbox_version(url: str) -> str:
    """Return the version of the sandbox at `url`, for as long as a person at a terminal would wait.

    The request takes the same way as the calls: the same proxy, which is none on this machine, and certificates.

    Raises:
        NoSandboxError: there is none.
        SettingsError: the proxy or certificate variables of the environment cannot be used.
    """
    try:
        transport = create_transport(url, 1)
    except (OSError, ValueError) as error:
        raise SettingsError([str(error)]) from None
    try:
        async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=_TIMEOUT) as client:
            with anyio.fail_after(_TOTAL_SECONDS):
                response = await client.get(f"{url}{_PATH}")
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        advice = "write its address in full, such as 127.0.0.1"
        raise NoSandboxError(f"nothing can be requested from {url}", advice) from None
    except (httpx.RequestError, TimeoutError) as error:
        raise _without_response(url, error) from None
    status = response.status_code
    if status in (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT):
        raise _not_started(url, f"status {status}")
    if status == HTTPStatus.FORBIDDEN:
        hostname = httpx.URL(url).host
        raise NoSandboxError(
            f"what answers at {url} does not accept the hostname {hostname} (status {status})",
            f"if it is a sandbox, start it with --allow-host {hostname}",
        )
    version = _version_in(response)
    if version is None:
        raise NoSandboxError(f"what answers at {url} is not a sandbox (status {status} at {_PATH})")
    return version


async def sandbox_version_when_started(url: str) -> str:
    """Return the version of the sandbox at `url`, which may start some seconds later than this process.

    Raises:
        NoSandboxError: there is none.
        SettingsError: the proxy or certificate variables of the environment cannot be used.
    """
    deadline = anyio.current_time() + _STARTING_SECONDS
    while True:
        try:
            return await sandbox_version(url)
        except NoSandboxError as error:
            if not error.may_start or anyio.current_time() >= deadline:
                raise
        await anyio.sleep(_SECONDS_BETWEEN_LOOKS)


async def require_sandbox_of_this_version(url: str) -> None:
    """Check that the sandbox of this version answers at `url`.

    Raises:
        NoSandboxError: it does not, or it is of another version.
        SettingsError: the proxy or certificate variables of the environment cannot be used.
    """
    if (version := await sandbox_version(url)) != __version__:
        raise NoSandboxError(f"the sandbox at {url} is of version {version}, and this program of {__version__}")


def _without_response(url: str, error: httpx.RequestError | TimeoutError) -> NoSandboxError:
    """Return why there was no response, in the words of the operating system or of TLS, and not of the other side."""
    text = str(error)
    if (tls_error := _TLS_ERROR.match(text)) is not None:
        return _without_tls(url, tls_error[1], tls_error[2])
    if isinstance(error, httpx.ConnectTimeout):
        return _not_started(url, _TOO_LATE)
    if isinstance(error, httpx.ConnectError):
        found = _ERRNO.search(text)
        if found is not None and (number := int(found[1])) > 0:
            return _not_started(url, os.strerror(number))
        return _not_started(url, shorten(text[found.end() :] if found else text, _MAX_REASON_CHARACTERS))
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        advice = "stop the program that uses that address, then start one with 'customerio-track-mcp sandbox'"
        return NoSandboxError(f"no sandbox answers at {url} ({_TOO_LATE})", advice, may_start=True)
    advice = "if it is a sandbox with --tls, write https://; otherwise stop the program that uses that address"
    return NoSandboxError(f"what answers at {url} does not use HTTP", advice, may_start=True)


def _without_tls(url: str, name: str, text: str) -> NoSandboxError:
    if name == "CERTIFICATE_VERIFY_FAILED":
        reason = shorten(text.rpartition("failed: ")[2].rstrip("."), _MAX_REASON_CHARACTERS)
        if "mismatch" in reason:
            advice = f"if it is a sandbox, start it with --allow-host {httpx.URL(url).host}"
        else:
            advice = "if it is a sandbox, set SSL_CERT_FILE to the file of its CA certificate, which it printed"
        # It may just be replacing that file, or be about to be restarted.
        return NoSandboxError(f"the certificate at {url} is not trusted ({reason})", advice, may_start=True)
    advice = "if it is a sandbox without --tls, write http://"
    return NoSandboxError(f"TLS failed with what answers at {url} ({name})", advice)


def _not_started(url: str, reason: str) -> NoSandboxError:
    advice = "start one with 'customerio-track-mcp sandbox'"
    return NoSandboxError(f"no sandbox answers at {url} ({reason})", advice, may_start=True)


def _version_in(response: httpx.Response) -> str | None:
    """Return the version that a sandbox's response contains; None if it is another program's."""
    try:
        identity = json.loads(response.content) if response.is_success else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(identity, dict) or identity.get("name") != SANDBOX_NAME:
        return None
    version = identity.get("version")
    return shorten(version, _MAX_VERSION_CHARACTERS) if isinstance(version, str) else None
