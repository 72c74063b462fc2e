"""The certificate of a sandbox with TLS; tests/integration/test_sandbox_tls.py uses it on real connections."""

from __future__ import annotations

import os
import shutil
import ssl
import stat
import tempfile
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from customerio_track_mcp.sandbox import CertificateError, LocalCertificate, create_certificate
from customerio_track_mcp.sandbox.certificate import temporary_ca_file


def leaf_of(certificate: LocalCertificate) -> x509.Certificate:
    """Return the server's certificate, as a client that trusts the authority receives it."""
    client_context = ssl.create_default_context(cadata=certificate.ca_pem.decode())
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname="localhost")
    server = certificate.context.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, server]
    while waiting:
        side = waiting.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            waiting.append(side)
    received = client.getpeercert(binary_form=True)
    assert received is not None
    return x509.load_der_x509_certificate(received)


def test_certificate_is_for_loopback_and_the_further_names_once() -> None:
    certificate = create_certificate(["0.0.0.0", "sandbox", "127.0.0.1", "fd00::1"])
    assert certificate.names == ("localhost", "127.0.0.1", "::1", "0.0.0.0", "sandbox", "fd00::1")
    names = leaf_of(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "sandbox"]
    addresses = ("127.0.0.1", "::1", "0.0.0.0", "fd00::1")
    assert names.get_values_for_type(x509.IPAddress) == [ip_address(text) for text in addresses]


def test_certificate_is_valid_now_and_for_about_a_year() -> None:
    leaf = leaf_of(create_certificate([]))
    now = datetime.now(UTC)
    assert leaf.not_valid_before_utc < now - timedelta(hours=1)
    assert now + timedelta(days=365) < leaf.not_valid_after_utc < leaf.not_valid_before_utc + timedelta(days=398)


def test_each_certificate_has_an_authority_of_its_own() -> None:
    first, second = create_certificate([]), create_certificate([])
    assert first.ca_pem != second.ca_pem
    assert b"PRIVATE" not in first.ca_pem


def test_old_versions_of_tls_are_refused() -> None:
    certificate = create_certificate([])
    assert certificate.context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_hostname_that_no_certificate_can_contain_is_reported() -> None:
    with pytest.raises(CertificateError) as error:
        create_certificate(["my_sandbox"])
    problem = str(error.value)
    assert problem.startswith("a certificate cannot contain this hostname (")
    assert "'my_sandbox'" in problem
    assert problem.endswith("); use letters, digits, '-' and '.'")


def test_lack_of_a_temporary_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = create_certificate([])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    message = r"^no temporary file can be written: No such file or directory$"
    with pytest.raises(CertificateError, match=message):
        create_certificate([])
    with pytest.raises(CertificateError, match=message), temporary_ca_file(certificate):
        pass


def test_temporary_ca_file_is_in_a_private_folder_until_the_block_ends() -> None:
    certificate = create_certificate([])
    with temporary_ca_file(certificate) as path:
        assert path.read_bytes() == certificate.ca_pem
        assert os.name != "posix" or stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.parent.exists()


def test_temporary_ca_file_may_be_deleted_before_the_block_ends() -> None:
    with temporary_ca_file(create_certificate([])) as path:
        shutil.rmtree(path.parent)
    assert not path.parent.exists()
