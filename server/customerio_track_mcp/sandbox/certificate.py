"""The certificate of a sandbox with TLS: which names it is valid for, for how long, and how TLS is configured."""

from __future__ import annotations

import shutil
import ssl
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

CERTIFICATE_ORGANIZATION: Final = "customerio-track-mcp sandbox"
"""In the subject of both certificates, by which people and programs recognize them."""

_LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")
_VALIDITY: Final = timedelta(days=397)
"""Apple's systems reject a certificate that is valid for more than 825 days: https://support.apple.com/en-us/103769"""
_CLOCK_DIFFERENCE: Final = timedelta(days=1)
"""By which a client's clock may be behind, as that of a virtual machine is after sleep."""


class CertificateError(ValueError):
    """The certificate cannot be made. The text is one line."""


@dataclass(frozen=True, slots=True)
class LocalCertificate:
    """A server's certificate, signed by a certificate authority that exists for it alone.

    Attributes:
        context: the TLS configuration of the server, with its certificate.
        names: the hostnames and addresses that it is valid for.
        ca_pem: the certificate of the authority, in PEM. Its private key has been forgotten.
    """

    context: ssl.SSLContext
    names: tuple[str, ...]
    ca_pem: bytes


def create_certificate(further_names: Iterable[str]) -> LocalCertificate:
    """Create a certificate for this machine's loopback and further names.

    Args:
        further_names: hostnames and addresses, without brackets.

    Raises:
        CertificateError: one of them is not allowed in a certificate, or no temporary file can be written.
    """
    import trustme  # only TLS needs it, and cryptography takes long to load

    names = tuple(dict.fromkeys([*_LOCAL_NAMES, *further_names]))
    authority = trustme.CA(organization_name=CERTIFICATE_ORGANIZATION)
    not_before = datetime.now(UTC) - _CLOCK_DIFFERENCE
    try:
        issued = authority.issue_cert(
            *names, organization_name=CERTIFICATE_ORGANIZATION, not_before=not_before, not_after=not_before + _VALIDITY
        )
    except UnicodeError as error:
        raise CertificateError(
            f"a certificate cannot contain this hostname ({error}); use letters, digits, '-' and '.'"
        ) from None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        issued.configure_cert(context)  # OpenSSL reads the key from a temporary file, deleted at once
    except OSError as error:
        raise _no_temporary_file(error) from None
    return LocalCertificate(context, names, authority.cert_pem.bytes())


@contextmanager
def temporary_ca_file(certificate: LocalCertificate) -> Iterator[Path]:
    """Write a certificate's CA to a file in a folder of this user alone, until the block ends.

    Raises:
        CertificateError: no temporary file can be written.
    """
    try:
        # Not a TemporaryDirectory, which a fork of the process would delete when it ends.
        folder = Path(tempfile.mkdtemp(prefix="customerio-sandbox-"))
    except OSError as error:
        raise _no_temporary_file(error) from None
    path = folder / "ca.pem"
    try:
        try:
            path.write_bytes(certificate.ca_pem)
        except OSError as error:
            raise _no_temporary_file(error) from None
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _no_temporary_file(error: OSError) -> CertificateError:
    return CertificateError(f"no temporary file can be written: {error.strerror or error}")
