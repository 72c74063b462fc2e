"""`customerio_sandbox_tls`: which clients trust it, and what they trust besides."""

from __future__ import annotations

import pytest

from customerio_track_mcp.sandbox import Sandbox
from tests.pytest_plugin.projects import Project

CLIENTS = """
    import asyncio, os, subprocess, sys, urllib.request
    import aiohttp, httpx, pytest, requests
    from customerio import CustomerIO
    from customerio_track_mcp.track import Credentials, TrackClient

    def test_vendors_sdk(customerio_sandbox_tls):
        sandbox = customerio_sandbox_tls
        with CustomerIO(sandbox.site_id, sandbox.api_key, host=sandbox.host, port=sandbox.port) as cio:
            cio.identify(id="1042", email="ann@example.com", plan="pro")
            cio.track("1042", "purchase", {"total": 5})
        assert [person.email for person in sandbox.people] == ["ann@example.com"]
        assert [event.name for event in sandbox.events] == ["purchase"]

    @pytest.mark.customerio_fault(status=503, times=2, operation="track")
    def test_fault(customerio_sandbox_tls):
        sandbox = customerio_sandbox_tls
        with CustomerIO(sandbox.site_id, sandbox.api_key, host="localhost", port=sandbox.port) as cio:
            cio.track("1042", "purchase")
        assert [request.status for request in sandbox.requests] == [503, 503, 200]
        assert len(sandbox.events) == 1

    def test_other_clients(customerio_sandbox_tls):
        url = customerio_sandbox_tls.url
        assert url.startswith("https://")
        assert requests.get(url).status_code == 200
        assert httpx.get(url).status_code == 200
        with urllib.request.urlopen(url) as response:
            assert response.status == 200
        program = f"import urllib.request; print(urllib.request.urlopen({url!r}).status)"
        assert subprocess.check_output([sys.executable, "-c", program]) == b"200\\n"

    def test_projects_client(customerio_sandbox_tls):
        sandbox = customerio_sandbox_tls

        async def track():
            async with TrackClient(Credentials(sandbox.site_id, sandbox.api_key), sandbox.url) as client:
                await client.track("1042", "signed_up")

        asyncio.run(track())
        assert [event.name for event in sandbox.events] == ["signed_up"]

    def test_both(customerio_sandbox, customerio_sandbox_tls):
        assert customerio_sandbox.url != customerio_sandbox_tls.url
        assert requests.get(customerio_sandbox.url).status_code == 200

    @pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
    def test_environment_is_as_before(name):
        assert os.environ.get(name) is None
"""
VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.fixture(autouse=True)
def _trusts_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_clients_trust_the_sandbox_in_the_test_alone(project: Project) -> None:
    project.add("test_clients.py", CLIENTS)
    outcome = project.run()
    assert outcome.counts == {"passed": 7}, outcome.output


@pytest.mark.parametrize(
    ("name", "is_folder"),
    [
        ("REQUESTS_CA_BUNDLE", False),
        ("REQUESTS_CA_BUNDLE", True),
        ("CURL_CA_BUNDLE", False),
        ("CURL_CA_BUNDLE", True),
        ("SSL_CERT_FILE", False),
        ("SSL_CERT_DIR", True),
    ],
)
def test_what_a_variable_names_is_still_trusted(project: Project, name: str, is_folder: bool) -> None:
    project.add(
        "test_company.py",
        """
        import os
        import httpx, requests, urllib.request

        def test_both(customerio_sandbox_tls):
            company = os.environ["COMPANY"]
            for url in (customerio_sandbox_tls.url, company):
                if os.environ["CHECKED"] == "SSL_CERT_DIR":
                    assert httpx.get(url).status_code == 200
                elif "SSL_CERT_FILE" in os.environ["CHECKED"]:
                    assert urllib.request.urlopen(url).status == 200
                else:
                    assert requests.get(url).status_code == 200
        """,
    )
    with Sandbox(tls=True) as company:
        assert company.ca_file is not None
        trusted = company.ca_file
        if is_folder:
            trusted = project.folder / "certificates"
            trusted.mkdir()
            (trusted / "company.pem").write_bytes(company.ca_file.read_bytes())
            (trusted / "README").write_text("Our CAs", encoding="utf-8")
        outcome = project.run(**{name: str(trusted), "COMPANY": company.url, "CHECKED": name})
    assert outcome.counts == {"passed": 1}, outcome.output


def test_public_authorities_are_trusted_as_without_the_fixture(project: Project) -> None:
    project.add(
        "test_public.py",
        """
        import os, ssl
        from pathlib import Path

        import certifi

        def subjects(**where):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(**where)
            return {str(certificate["subject"]) for certificate in context.get_ca_certs()}

        def test_public(customerio_sandbox_tls):
            public = subjects(cafile=certifi.where())
            own = subjects(cafile=customerio_sandbox_tls.ca_file)
            assert subjects(cafile=os.environ["REQUESTS_CA_BUNDLE"]) == public | own
            assert subjects(cafile=os.environ["SSL_CERT_FILE"]) >= public | own
            folder = Path(os.environ["SSL_CERT_FILE"]).parent
            assert folder.name.startswith("customerio-sandbox-trusted-")

        def test_nothing_remains():
            assert list(Path(os.environ["TMPDIR"]).glob("customerio-sandbox-trusted-*")) == []
        """,
    )
    (project.folder / "temporary").mkdir()
    outcome = project.run(TMPDIR=str(project.folder / "temporary"))
    assert outcome.counts == {"passed": 2}, outcome.output
