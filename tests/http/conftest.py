"""Fixtures for the tests of the HTTP service."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.authorization_server import AuthorizationServer, authorization_server


@pytest.fixture
async def issuer() -> AsyncIterator[AuthorizationServer]:
    """An authorization server."""
    async with authorization_server() as server:
        yield server
