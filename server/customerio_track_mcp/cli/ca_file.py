"""The file that gives clients the CA certificate of `sandbox --tls`: where it is, and how it is replaced."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from customerio_track_mcp.hosts.errors import ConfigFileError
from customerio_track_mcp.hosts.locations import Machine
from customerio_track_mcp.sandbox import CERTIFICATE_ORGANIZATION
from customerio_track_mcp.settings.errors import SettingsError

_FOLDER: Final = ".customerio-track-mcp"
_PRIVATE_FOLDER: Final = 0o700
_MODE: Final = 0o644
"""A certificate is public, and a client may run as another user; whether one finds it is up to the folder."""
_MAX_BYTES: Final = 16 * 1024
_OTHER_FILE: Final = "name another file with --ca-file"


def write_ca_file(named: Path | None, port: int, pem: bytes) -> Path:
    """Write a CA certificate, in place of one of an earlier sandbox.

    Args:
        named: the file; None for the default one, which is in a private folder below the user's home folder. It is the
            same at each start, so that a variable that names it stays valid, and another one for each port, since
            several sandboxes can run at once.
        port: the port of the sandbox.
        pem: the certificate, in PEM.

    Returns:
        The absolute path of the file.

    Raises:
        SettingsError: it cannot be written, or contains something else.
    """
    path = _default(port) if named is None else named.absolute()
    try:
        _require_replaceable(path)
        _replace(path, pem)
    except OSError as error:
        raise SettingsError(
            [f"--ca-file: {path} cannot be written: {error.strerror or error}; {_OTHER_FILE}"]
        ) from None
    return path


def _default(port: int) -> Path:
    try:
        folder = Machine.this().home / _FOLDER
    except ConfigFileError as error:
        raise SettingsError([f"--ca-file: {error}, or {_OTHER_FILE}"]) from None
    try:
        folder.mkdir(_PRIVATE_FOLDER, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise SettingsError(
            [f"--ca-file: {folder} cannot be created: {error.strerror or error}; {_OTHER_FILE}"]
        ) from None
    if os.name == "posix" and (status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        # Whoever can replace the certificate can read what clients send.
        raise SettingsError([f"--ca-file: other users can write to {folder}; run chmod 700 on it, or {_OTHER_FILE}"])
    return folder / f"sandbox-ca-{port}.pem"


def _require_replaceable(path: Path) -> None:
    """Check that a file is absent, empty, or was written here.

    In other programs, an option of this name is a file to read: that must not cost a company's certificates.

    Raises:
        SettingsError: it is anything else.
        OSError: it cannot be read.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode):
        raise SettingsError([f"--ca-file: {path} is not a regular file; {_OTHER_FILE}"])
    if status.st_size > _MAX_BYTES or not _is_written_here(path.read_bytes()):
        raise SettingsError(
            [
                f"--ca-file: {path} exists and is not the CA certificate of a sandbox, which is written to this file; "
                f"{_OTHER_FILE}, or delete it"
            ]
        )


def _is_written_here(content: bytes) -> bool:
    from cryptography.x509 import load_pem_x509_certificates
    from cryptography.x509.oid import NameOID

    if not content:
        return True
    try:
        (certificate,) = load_pem_x509_certificates(content)
    except ValueError:  # no certificate, or several
        return False
    return [name.value for name in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == [
        CERTIFICATE_ORGANIZATION
    ]


def _replace(path: Path, content: bytes) -> None:
    """Replace a file by another one, so that no client reads half of it and no symbolic link is followed."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), _MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
