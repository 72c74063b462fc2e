"""The certificate of `sandbox --tls`: which names it is valid for, for how long, and how TLS is configured."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from customerio_track_mcp.settings.base import SettingsError

ORGANIZATION: Final = "customerio-track-mcp sandbox"
"""In the subject of both certificates, by which people and `ca_file` recognize them."""

_LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")
_VALIDITY: Final = timedelta(days=397)
"""Apple's systems reject a certificate that is valid for more than 825 days: https://support.apple.com/en-us/103769"""
_CLOCK_DIFFERENCE: Final = timedelta(days=1)
"""By which a client's clock may be behind, as that of a virtual machine is after sleep."""


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
        SettingsError: one of them is not allowed in a certificate, or no temporary file can be written.
    """
    import trustme  # only --tls needs it, and cryptography takes long to load

    names = tuple(dict.fromkeys([*_LOCAL_NAMES, *further_names]))
    authority = trustme.CA(organization_name=ORGANIZATION)
    not_before = datetime.now(UTC) - _CLOCK_DIFFERENCE
    try:
        issued = authority.issue_cert(
            *names, organization_name=ORGANIZATION, not_before=not_before, not_after=not_before + _VALIDITY
        )
    except UnicodeError as error:
        raise SettingsError(
            [f"--tls: a certificate cannot contain this hostname ({error}); use letters, digits, '-' and '.'"]
        ) from None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        issued.configure_cert(context)  # OpenSSL reads the key from a temporary file, deleted at once
    except OSError as error:
        raise SettingsError([f"--tls: no temporary file can be written: {error.strerror or error}"]) from None
    return LocalCertificate(context, names, authority.cert_pem.bytes())
