"""The environment of a test with a sandbox: which proxies and which certificates its clients use."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import certifi
import pytest

_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_HEADER: Final = b"-----BEGIN "


@contextmanager
def bypassed_proxies() -> Iterator[None]:
    """Add this machine's loopback to `NO_PROXY`, if the environment names a proxy."""
    if not any(os.environ.get(spelling) for name in _PROXIES for spelling in (name, name.upper())):
        yield
        return
    hosts = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, hosts if hosts.strip() == "*" else ",".join([*filter(None, [hosts]), *_LOOPBACK]))
        yield


@contextmanager
def trusted_ca(ca_file: Path) -> Iterator[None]:
    """Make clients trust a further CA: requests by `REQUESTS_CA_BUNDLE`, those of the module `ssl` by `SSL_CERT_FILE`.

    Each variable names a file with what it named before, or else with what clients trust without it.

    Args:
        ca_file: the certificate of the CA, in PEM.
    """
    requests_file = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    ssl_file = os.environ.get("SSL_CERT_FILE")
    ssl_folders = os.environ.get("SSL_CERT_DIR", "").split(os.pathsep)
    bundles = {
        "REQUESTS_CA_BUNDLE": [requests_file or certifi.where()],
        # Without the variable, httpx uses certifi's file, and ssl.create_default_context() that of OpenSSL.
        # httpx uses SSL_CERT_DIR only if SSL_CERT_FILE is not set.
        "SSL_CERT_FILE": [ssl_file]
        if ssl_file
        else [ssl.get_default_verify_paths().cafile, certifi.where(), *ssl_folders],
    }
    with TemporaryDirectory(prefix="customerio-sandbox-trusted-") as folder, pytest.MonkeyPatch.context() as patch:
        for name, trusted in bundles.items():
            bundle = Path(folder, f"{name}.pem")
            certificates = [_certificates_in(Path(path)) for path in trusted if path]
            bundle.write_bytes(b"\n".join([*certificates, ca_file.read_bytes()]))
            patch.setenv(name, str(bundle))
        yield


def _certificates_in(path: Path) -> bytes:
    """Return the certificates of a file, or of those in a folder, which requests accepts too; empty if it is absent."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    contents = (file.read_bytes() for file in files if file.is_file())
    return b"\n".join(content for content in contents if _HEADER in content)
