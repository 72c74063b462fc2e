"""pytest plugin: the fixtures with a sandbox, and the marker for faults. See docs/testing.md.

pytest loads this module in every project of an environment, so it imports only pytest and small parts of the standard
library until a test uses a fixture.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from customerio_track_mcp.sandbox import Sandbox

_PACKAGE: Final = "customerio_track_mcp."
_MARKER: Final = "customerio_fault"
_HAS_FAULTS: Final = pytest.StashKey[bool]()
"""Set on a test whose faults wait in a sandbox."""


class _NotRewritten:
    """Imports this package in tests as everywhere else.

    pytest rewrites the assertions of each module of a distribution that contains a plugin. This package has none, and
    if pytest cannot save the bytecode, each test run of an application would compile the package again.
    """

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        """Find a module of this package; return None for any other one."""
        del target
        return PathFinder.find_spec(name, path) if name.startswith(_PACKAGE) else None


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Import this package without rewriting, from the first conftest.py on."""
    sys.meta_path.insert(0, _NotRewritten)
    early_config.add_cleanup(_rewrite_again)


def _rewrite_again() -> None:
    if _NotRewritten in sys.meta_path:  # a test may have replaced the list
        sys.meta_path.remove(_NotRewritten)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        f'{_MARKER}(fault="fail_next", /, **arguments): add a fault to the Customer.io sandbox of the test. `fault` is '
        "a method of Sandbox (fail_next, lose_reply, delay_next, reset_next or redirect_next), and the others are its "
        "arguments. Several faults apply in the order in which they are written.",
    )


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Report a marker without effect, after the fixtures have been set up."""
    if _MARKER not in item.keywords or item.get_closest_marker(_MARKER) is None:
        return
    if not item.stash.get(_HAS_FAULTS, False):
        pytest.fail(
            f"{_MARKER}: this test uses neither customerio_sandbox nor customerio_sandbox_tls, so the fault has no "
            'effect; add one of them as an argument, or @pytest.mark.usefixtures("customerio_sandbox")',
            pytrace=False,
        )


@pytest.fixture(scope="session")
def customerio_sandbox_server() -> Iterator[Sandbox]:
    """The sandbox of `customerio_sandbox`, for fixtures with a scope wider than a test. It is not reset."""
    from customerio_track_mcp.sandbox import Sandbox

    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def customerio_sandbox_tls_server() -> Iterator[Sandbox]:
    """The sandbox of `customerio_sandbox_tls`, for fixtures with a scope wider than a test. It is not reset."""
    from customerio_track_mcp.sandbox import Sandbox

    with Sandbox(tls=True) as sandbox:
        yield sandbox


@pytest.fixture
def customerio_sandbox(request: pytest.FixtureRequest, customerio_sandbox_server: Sandbox) -> Iterator[Sandbox]:
    """A local Customer.io Track API over http, empty for each test, with the faults of the test's markers.

    The value is a `customerio_track_mcp.sandbox.Sandbox`.
    """
    from customerio_track_mcp.pytest_plugin.environment import bypassed_proxies

    _prepare(customerio_sandbox_server, request.node)
    with bypassed_proxies():
        yield customerio_sandbox_server


@pytest.fixture
def customerio_sandbox_tls(request: pytest.FixtureRequest, customerio_sandbox_tls_server: Sandbox) -> Iterator[Sandbox]:
    """A local Customer.io Track API over https, for clients that speak https only. Otherwise as `customerio_sandbox`.

    REQUESTS_CA_BUNDLE and SSL_CERT_FILE name files with its CA and those that were trusted before. The value is a
    `customerio_track_mcp.sandbox.Sandbox`.
    """
    from customerio_track_mcp.pytest_plugin.environment import bypassed_proxies, trusted_ca

    ca_file = customerio_sandbox_tls_server.ca_file
    if ca_file is None:
        raise RuntimeError("a sandbox with TLS has a CA file")
    _prepare(customerio_sandbox_tls_server, request.node)
    with bypassed_proxies(), trusted_ca(ca_file):
        yield customerio_sandbox_tls_server


def _prepare(sandbox: Sandbox, item: pytest.Item) -> None:
    from customerio_track_mcp.pytest_plugin.fault_marker import InvalidFaultError, add_fault, in_written_order

    sandbox.reset()
    for mark in in_written_order(item, _MARKER):
        try:
            add_fault(sandbox, mark)
        except InvalidFaultError as error:
            raise pytest.fail.Exception(f"{_MARKER}: {error}", pytrace=False) from None
        item.stash[_HAS_FAULTS] = True
