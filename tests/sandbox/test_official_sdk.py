"""The vendor's own Python SDK against the sandbox, over TLS."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
import trustme
from customerio import CustomerIO
from customerio.client_base import CustomerIOException

from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox


@pytest.fixture
async def tls_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningSandbox]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    async with run_sandbox(ssl_context=context) as sandbox:
        yield sandbox
    for _ in range(20):  # asyncio needs several iterations of the loop to close a TLS connection
        await anyio.lowlevel.checkpoint()


async def test_identify_and_track_behave_as_the_sdk_documents(tls_sandbox: RunningSandbox) -> None:
    port = int(tls_sandbox.url.rpartition(":")[2])

    def use_sdk() -> None:
        with CustomerIO(site_id="sandbox", api_key="sandbox", host="localhost", port=port) as cio:
            created = datetime(2026, 1, 1, tzinfo=UTC)
            cio.identify(id="user/1", email="ann@example.com", created_at=created, plan="pro", score=float("nan"))
            cio.identify(id="user/1", plan="free")
            for _ in range(2):  # the SDK documents that a repeated `id` is ignored
                cio.track("user/1", "purchased", {"price": 23.45, "product": "socks"}, id="01ARZ3NDEKTSV4RRFFQ69G5FAV")
            cio.pageview(customer_id="user/1", page="https://shop.example/socks", referrer="mail")

    await anyio.to_thread.run_sync(use_sdk)
    workspace = tls_sandbox.workspace
    (person,) = workspace.people
    assert (person.id, person.email) == ("user/1", "ann@example.com")
    assert person.attributes == {"created_at": 1767225600, "plan": "free"}
    assert [(event.name, event.type, dict(event.data)) for event in workspace.events] == [
        ("purchased", "event", {"price": 23.45, "product": "socks"}),
        ("https://shop.example/socks", "page", {"referrer": "mail"}),
    ]
    assert list(workspace.dropped) == []


async def test_rejection_raises_the_sdks_exception(tls_sandbox: RunningSandbox) -> None:
    port = int(tls_sandbox.url.rpartition(":")[2])

    def use_sdk() -> None:
        client = CustomerIO(site_id="sandbox", api_key="wrong", host="localhost", port=port, retries=0)
        with client as cio, pytest.raises(CustomerIOException, match="401"):
            cio.track(customer_id="1", name="purchased")

    await anyio.to_thread.run_sync(use_sdk)
    assert list(tls_sandbox.workspace.events) == []
