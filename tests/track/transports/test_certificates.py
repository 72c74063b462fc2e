"""Certificates: which ones the environment names, and one attempt if the other side's cannot be verified."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from customerio_track_mcp.track import TrackClient, UntrustedCertificateError
from customerio_track_mcp.track.transports.certificates import named_certificates
from tests.support.clients import FAST_RETRIES
from tests.support.scripted_server import ScriptedServer
from tests.track.failing_calls import CREDENTIALS, PERSON, failure_of_identify

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
HTTPS = "https://track.customer.invalid"


@pytest.fixture(autouse=True)
def _no_certificates_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(tmp_path: Path, authority: trustme.CA) -> Path:
    """A file with the certificate of `authority`."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def folder(tmp_path: Path, bundle: Path) -> Path:
    """A folder with the certificate of `authority` under its hashed name."""
    path = tmp_path / "certificates"
    path.mkdir()
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    command = [openssl, "x509", "-noout", "-subject_hash", "-in", str(bundle)]
    hashed = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.strip()
    shutil.copy(bundle, path / f"{hashed}.0")
    return path


@pytest.fixture
async def track_api(authority: trustme.CA) -> AsyncIterator[ScriptedServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with ScriptedServer(context) as server:
        yield server


async def failure_of_one_attempt(url: str) -> UntrustedCertificateError:
    async with TrackClient(CREDENTIALS, url, retry_policy=FAST_RETRIES) as client:
        error = await failure_of_identify(client)
    assert isinstance(error, UntrustedCertificateError)
    assert (error.attempts, error.outcome_unknown, error.status) == (1, False, None)
    assert all(name in error.advice for name in ("SSL_CERT_FILE", "HTTPS_PROXY", "NO_PROXY"))
    return error


async def test_unknown_authority_is_not_retried(track_api: ScriptedServer) -> None:
    assert "unable to get local issuer certificate" in str(await failure_of_one_attempt(track_api.url))


async def test_certificate_for_another_hostname_is_not_retried(
    track_api: ScriptedServer, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    error = await failure_of_one_attempt(track_api.url.replace("127.0.0.1", "localhost"))
    assert "not valid for 'localhost'" in str(error)


async def test_expired_certificate_is_not_retried(
    authority: trustme.CA, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    authority.issue_cert("127.0.0.1", not_after=yesterday).configure_cert(context)
    async with ScriptedServer(context) as server:
        assert "certificate has expired" in str(await failure_of_one_attempt(server.url))


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
async def test_file_of_certificates_is_trusted(
    track_api: ScriptedServer, bundle: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(bundle))
    async with TrackClient(CREDENTIALS, track_api.url) as client:
        assert (await client.identify(PERSON)).attempts == 1


@pytest.mark.parametrize("variable", ["SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"])
async def test_folder_of_certificates_is_trusted(
    track_api: ScriptedServer, folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    folders = f"/no/such/folder{os.pathsep}{folder}" if variable == "SSL_CERT_DIR" else str(folder)
    monkeypatch.setenv(variable, folders)
    async with TrackClient(CREDENTIALS, track_api.url) as client:
        assert (await client.identify(PERSON)).attempts == 1


async def test_first_variable_that_is_set_takes_precedence(
    track_api: ScriptedServer, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    await failure_of_one_attempt(track_api.url)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setenv("SSL_CERT_DIR", "/no/such/folder")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file")
    async with TrackClient(CREDENTIALS, track_api.url) as client:
        assert (await client.identify(PERSON)).attempts == 1


def test_no_variable_and_empty_ones_name_no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    assert named_certificates() is None
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
    assert named_certificates() is None


@pytest.mark.parametrize(
    ("variable", "name", "reason"),
    [
        ("SSL_CERT_FILE", "missing.pem", "No such file or directory"),
        ("SSL_CERT_FILE", "missing\n.pem", "No such file or directory"),
        ("SSL_CERT_FILE", "folder", "is not a file"),
        ("SSL_CERT_FILE", "pipe", "is not a file"),
        ("SSL_CERT_FILE", "text.pem", "contains no certificate in PEM format"),
        ("SSL_CERT_FILE", "empty.pem", "contains no certificate in PEM format"),
        ("SSL_CERT_FILE", "broken.pem", "contains no certificate in PEM format"),
        ("SSL_CERT_DIR", "missing", "is not a folder"),
        ("SSL_CERT_DIR", f"missing{os.pathsep}text.pem", "is not a folder"),
        ("SSL_CERT_DIR", "folder", "contains no certificate with a hashed name"),
        ("REQUESTS_CA_BUNDLE", "missing.pem", "No such file or directory"),
        ("REQUESTS_CA_BUNDLE", "text.pem", "contains no certificate in PEM format"),
        ("REQUESTS_CA_BUNDLE", "folder", "contains no certificate with a hashed name"),
    ],
)
def test_unusable_certificates_are_reported_with_their_path_before_any_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, name: str, reason: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "authority.pem").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty.pem").touch()
    (tmp_path / "text.pem").write_text("no certificate")
    (tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    monkeypatch.setenv(variable, name)
    with pytest.raises(OSError, match=reason) as caught:
        TrackClient(CREDENTIALS, HTTPS)
    text = str(caught.value)
    assert text.startswith(f"{variable}: {name.replace(chr(10), chr(0xFFFD))}: {reason}; expected a ")
    assert text.endswith(", or unset the variable")
    assert text.isprintable()


def test_file_that_may_not_be_read_is_reported(monkeypatch: pytest.MonkeyPatch, bundle: Path) -> None:
    bundle.chmod(0)
    if os.access(bundle, os.R_OK):
        pytest.skip("this user may read every file")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with pytest.raises(OSError, match=f"^SSL_CERT_FILE: {bundle}: Permission denied"):
        TrackClient(CREDENTIALS, HTTPS)


def test_certificates_do_not_matter_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    TrackClient(CREDENTIALS, "http://127.0.0.1:1")
