"""Fixtures for the tests of the HTTP service."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.authorization_server import AuthorizationServer, authorization_server
from tests.support.http_service import PARSER_VARIABLE


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of every module that serves HTTP with both parsers."""
    if {"running_service", "serve"} & vars(metafunc.module).keys():
        metafunc.parametrize("http_parser", ["h11", "httptools"], indirect=True)


@pytest.fixture(autouse=True)
def http_parser(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _isolated_settings: None
) -> str | None:
    """The parser of HTTP requests; None in modules that do not serve HTTP."""
    parser: str | None = getattr(request, "param", None)
    if parser is not None:
        monkeypatch.setenv(PARSER_VARIABLE, parser)
    return parser


@pytest.fixture
async def issuer() -> AsyncIterator[AuthorizationServer]:
    """An authorization server."""
    async with authorization_server() as server:
        yield server
