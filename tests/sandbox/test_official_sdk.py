"""The vendor's own Python SDK, which speaks https only, against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from customerio import CustomerIO
from customerio.client_base import CustomerIOException

from customerio_track_mcp.sandbox import Sandbox


@pytest.fixture
def tls_sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(tls=True) as sandbox:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(sandbox.ca_file))
        yield sandbox


def sdk(sandbox: Sandbox, *, api_key: str | None = None, **options: object) -> CustomerIO:
    key = sandbox.api_key if api_key is None else api_key
    return CustomerIO(sandbox.site_id, key, host=sandbox.host, port=sandbox.port, **options)


def test_identify_and_track_behave_as_the_sdk_documents(tls_sandbox: Sandbox) -> None:
    with sdk(tls_sandbox) as cio:
        created = datetime(2026, 1, 1, tzinfo=UTC)
        cio.identify(id="user/1", email="ann@example.com", created_at=created, plan="pro", score=float("nan"))
        cio.identify(id="user/1", plan="free")
        for _ in range(2):  # the SDK documents that a repeated `id` is ignored
            cio.track("user/1", "purchased", {"price": 23.45, "product": "socks"}, id="01ARZ3NDEKTSV4RRFFQ69G5FAV")
        cio.pageview(customer_id="user/1", page="https://shop.example/socks", referrer="mail")
    (person,) = tls_sandbox.people
    assert (person.id, person.email) == ("user/1", "ann@example.com")
    assert person.attributes == {"created_at": 1767225600, "plan": "free"}
    assert [(event.name, event.type, event.data) for event in tls_sandbox.events] == [
        ("purchased", "event", {"price": 23.45, "product": "socks"}),
        ("https://shop.example/socks", "page", {"referrer": "mail"}),
    ]
    assert [request.identifier for request in tls_sandbox.requests] == ["user/1"] * 5
    tls_sandbox.assert_nothing_dropped()


def test_rejection_raises_the_sdks_exception(tls_sandbox: Sandbox) -> None:
    with sdk(tls_sandbox, api_key="wrong", retries=0) as cio, pytest.raises(CustomerIOException, match="401"):
        cio.track(customer_id="1", name="purchased")
    assert tls_sandbox.events == ()


def test_the_sdk_repeats_an_event_after_a_lost_reply(tls_sandbox: Sandbox) -> None:
    tls_sandbox.lose_reply()
    with sdk(tls_sandbox, backoff_factor=0) as cio:
        cio.track("1", "purchased", {"price": 5})
    assert [(event.name, event.data) for event in tls_sandbox.events] == [("purchased", {"price": 5})] * 2
    assert [(request.fault, request.status) for request in tls_sandbox.requests] == [("lost_reply", None), (None, 200)]
