"""The snippets on the sandbox's page: those of hosts are what `install` writes, and the others run."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import ssl
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import trustme
from playwright.async_api import Browser

from customerio_track_mcp.hosts.catalog import HOSTS
from customerio_track_mcp.hosts.entries import PROGRAM, Entry
from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox
from tests.support.browser import open_page, running_browser

NAME: Final = "customerio-track"
IN_PAGE: Final = "async () => (await import('/page/snippets.js')).snippets(location.origin)"
HOST_SNIPPETS: Final = ("claude-desktop", "claude-code", "cursor", "vscode")
CLIENT_SNIPPETS: Final = ("curl", "python", "node")

pytestmark = pytest.mark.integration


class Shown(NamedTuple):
    """What the page of a sandbox offers.

    Attributes:
        sandbox: the sandbox.
        ca_file: its CA certificate; None without TLS.
        snippets: its snippets by id.
    """

    sandbox: RunningSandbox
    ca_file: Path | None
    snippets: Mapping[str, Mapping[str, str]]

    @property
    def entry(self) -> Entry:
        """The entry of a host that uses the sandbox."""
        port = self.sandbox.url.rpartition(":")[2]
        env = {"SSL_CERT_FILE": f"/path/to/.customerio-track-mcp/sandbox-ca-{port}.pem"} if self.ca_file else {}
        return Entry(PROGRAM, ["--sandbox", self.sandbox.url], env)

    def text(self, name: str) -> str:
        """Return the text of a snippet."""
        return self.snippets[name]["text"]

    def require_recorded(self) -> None:
        """Check that the sandbox recorded what each program's snippet sends."""
        (person,) = self.sandbox.workspace.people
        assert (person.id, person.email, person.attributes) == ("cust_123", "ann@example.com", {"plan": "pro"})
        (event,) = self.sandbox.workspace.events
        assert (event.name, event.data) == ("purchase", {"price": 23.45})
        assert list(self.sandbox.workspace.dropped) == []


@asynccontextmanager
async def shown(browser: Browser, ca_file: Path | None) -> AsyncIterator[Shown]:
    context = None
    if ca_file is not None:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        ca_file.parent.mkdir()
        authority.cert_pem.write_to_path(str(ca_file))
    async with run_sandbox(ssl_context=context) as sandbox:
        async with open_page(browser, sandbox.url, ignore_https_errors=True) as page:
            snippets = await page.evaluate(IN_PAGE)
        yield Shown(sandbox, ca_file, {snippet["id"]: snippet for snippet in snippets})


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The event loop of all tests of this module, which share a browser."""
    return "asyncio"


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as running:
        yield running


@pytest.fixture(params=["http", "https"])
async def page(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path) -> AsyncIterator[Shown]:
    ca_file = tmp_path / ".customerio-track-mcp" / "ca.pem" if request.param == "https" else None
    async with shown(browser, ca_file) as snippets:
        yield snippets


async def test_every_host_and_client_has_a_snippet(page: Shown) -> None:
    assert tuple(page.snippets) == (*HOST_SNIPPETS, *CLIENT_SNIPPETS)


async def test_the_configurations_of_hosts_are_what_install_writes(page: Shown) -> None:
    for name in ("claude-desktop", "cursor", "vscode"):
        host = HOSTS[name]
        assert host.format.parse(page.text(name)) == {host.servers_key: {NAME: host.fields(page.entry)}}


async def test_the_command_of_claude_code_is_the_one_that_install_runs(page: Shown) -> None:
    own = HOSTS["claude-code"].own_command
    assert own
    words = shlex.split(page.text("claude-code").replace("$HOME", "/path/to"))
    assert words == [own.program, *own.add(NAME, page.entry)]


async def test_the_command_that_writes_the_configuration_is_valid(page: Shown) -> None:
    for name in HOST_SNIPPETS:
        program, *arguments = shlex.split(page.snippets[name]["install"].replace("$HOME", "/path/to"))
        assert program == PROGRAM
        assert arguments[:2] == ["install", name]
        output = await run(sys.executable, "-m", "customerio_track_mcp", "install", "--print", *arguments[2:])
        assert f'"{page.sandbox.url}"' in output
        assert ("SSL_CERT_FILE" in output) is (page.ca_file is not None)


async def test_places_and_next_steps_are_those_of_install(page: Shown) -> None:
    for name in HOST_SNIPPETS:
        host, snippet = HOSTS[name], page.snippets[name]
        assert snippet["next"] == host.next_step
        assert snippet["title"] == host.title
        if name in ("cursor", "vscode"):
            assert host.project_file
            assert host.project_file in snippet["place"]


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl on this machine")
async def test_the_curl_snippet_works(page: Shown) -> None:
    # -f: an error status fails.
    script = with_certificate(page, page.text("curl")).replace("curl ", "curl -sS -f ")
    assert await run("sh", "-e", "-c", script) == "{}{}"
    page.require_recorded()


async def test_the_python_snippet_works(page: Shown, tmp_path: Path) -> None:
    program = tmp_path / "snippet.py"
    program.write_text(page.text("python"), encoding="utf-8")
    await run(sys.executable, str(program), REQUESTS_CA_BUNDLE=page.ca_file)
    page.require_recorded()


@pytest.mark.skipif(not shutil.which("node"), reason="no Node on this machine")
async def test_the_node_snippet_works(browser: Browser, tmp_path: Path) -> None:
    async with shown(browser, None) as page:  # the vendor's package, which the other one needs, is not installed
        program = tmp_path / "snippet.mjs"
        program.write_text(page.text("node"), encoding="utf-8")
        await run("node", str(program))
        page.require_recorded()


def with_certificate(page: Shown, script: str) -> str:
    """Return a shell script with the CA certificate of this sandbox in place of the default one."""
    port = page.sandbox.url.rpartition(":")[2]
    default = f'"$HOME/.customerio-track-mcp/sandbox-ca-{port}.pem"'
    assert (default in script) is (page.ca_file is not None)
    return script.replace(default, shlex.quote(str(page.ca_file)))


async def run(*command: str, **variables: Any) -> str:
    """Run a command and return its output. It must succeed."""
    environment = os.environ | {name: str(value) for name, value in variables.items() if value is not None}
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT, env=environment)
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()
