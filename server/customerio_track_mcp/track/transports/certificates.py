"""Which certificate authorities are trusted: those that the environment names, else certifi's, as in httpx.

`SSL_CERT_FILE` and `SSL_CERT_DIR` are OpenSSL's variables, `REQUESTS_CA_BUNDLE` is that of requests and of many tools
that companies configure. The first one that is set replaces the default.
"""

from __future__ import annotations

import os
import re
import ssl
import stat
from pathlib import Path
from typing import Final

from customerio_track_mcp.track.printable import printable

_EXPECTED: Final = {
    "SSL_CERT_FILE": "a PEM file of CA certificates",
    "SSL_CERT_DIR": "a folder of CA certificates with hashed names (create them with 'openssl rehash')",
    "REQUESTS_CA_BUNDLE": "a PEM file or a folder of CA certificates",
}
"""The variables, by precedence, and what each may name."""
_HASHED_NAME: Final = re.compile(r"[0-9a-f]{8}\.[0-9]+")


def named_certificates() -> ssl.SSLContext | None:
    """Return a context that trusts the certificates that the environment names; None if it names none.

    Raises:
        OSError: they cannot be read. The text names the variable and the path.
    """
    for variable, expected in _EXPECTED.items():
        if value := os.environ.get(variable):
            try:
                return _read(variable, value)
            except OSError as error:
                reason = error.strerror or error
                raise OSError(
                    f"{variable}: {printable(value)}: {reason}; expected {expected}, or unset the variable"
                ) from None
    return None


def default_certificates() -> ssl.SSLContext:
    """Return a context that trusts certifi's authorities."""
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


def _read(variable: str, value: str) -> ssl.SSLContext:
    if variable == "SSL_CERT_DIR" or (variable == "REQUESTS_CA_BUNDLE" and Path(value).is_dir()):
        return _read_folders(value)
    return _read_file(Path(value))


def _read_file(path: Path) -> ssl.SSLContext:
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("is not a file")
    path.open("rb").close()  # OpenSSL's own error does not say why a file cannot be read
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise OSError("contains no certificate in PEM format") from None


def _read_folders(value: str) -> ssl.SSLContext:
    """Read one folder, or several as OpenSSL separates them, of which some may be missing."""
    folders = [folder for name in value.split(os.pathsep) if (folder := Path(name)).is_dir()]
    if not folders:
        raise OSError("is not a folder")
    if not any(_HASHED_NAME.fullmatch(file.name) for folder in folders for file in folder.iterdir()):
        raise OSError("contains no certificate with a hashed name")
    return ssl.create_default_context(capath=value)
