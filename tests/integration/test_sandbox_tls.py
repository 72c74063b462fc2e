"""`sandbox --tls` as a subprocess, and its clients, each started with exactly what its startup line says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from playwright.async_api import expect

from tests.support.browser import open_page, running_browser
from tests.support.messages import INITIALIZE
from tests.support.process import environment, run, running
from tests.support.sandbox_state import AUTH

NODE: Final = shutil.which("node")
OPENSSL: Final = shutil.which("openssl")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "a home"))
    (tmp_path / "a home").mkdir()


@dataclass(frozen=True, slots=True)
class TlsSandbox:
    """A running `sandbox --tls`: its port, its lines on stderr, and its CA file."""

    port: int
    lines: list[str]

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def ca_file(self) -> Path:
        (words,) = (line.partition("CA certificate in ")[2] for line in self.lines if "CA certificate in " in line)
        return Path(*shlex.split(words))

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)

    def line_for(self, client: str) -> str:
        """Return what the startup line says about a client."""
        (text,) = (line.partition(f"  {client}: ")[2] for line in self.lines if f"  {client}: " in line)
        return text

    def variable_and_code_for(self, client: str) -> tuple[dict[str, str], str]:
        """Return the environment that a client's line names, and the code."""
        variable, _, code = self.line_for(client).partition(", and ")
        name, _, value = variable.partition("=")
        return {name: shlex.split(value)[0]}, code

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = httpx.get(f"{self.url}/_sandbox/state", verify=self.context, trust_env=False).json()
        return state


@contextmanager
def tls_sandbox(*options: str) -> Iterator[TlsSandbox]:
    with running("sandbox", "--tls", "--port", "0", *options) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline()]
        while lines[-1] and "  this server: " not in lines[-1]:
            lines.append(process.stderr.readline())
        (port,) = re.findall(r"sandbox Track API at https://\S+:(\d+) ", "".join(lines))
        yield TlsSandbox(int(port), [line.rstrip("\n") for line in lines])
        process.terminate()
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == ""


def test_the_vendors_python_sdk_works_with_its_line() -> None:
    with tls_sandbox() as sandbox:
        variable, code = sandbox.variable_and_code_for("Python SDK")
        assert list(variable) == ["REQUESTS_CA_BUNDLE"]
        program = (
            f"from customerio import CustomerIO\nwith {code} as cio:\n"
            "    cio.identify(id='1', email='ann@example.com')\n"
            "    cio.track('1', 'purchased', {'total': 5})\n"
        )
        result = subprocess.run(
            [sys.executable, "-c", program], env=environment() | variable, capture_output=True, text=True, check=False
        )
        assert result.stderr == ""
        state = sandbox.state()
        assert [person["email"] for person in state["people"]] == ["ann@example.com"]
        assert [(event["name"], event["data"]) for event in state["events"]] == [("purchased", {"total": 5})]
        untrusting = subprocess.run(
            [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=False
        )
        assert "CERTIFICATE_VERIFY_FAILED" in untrusting.stderr


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_node_trusts_the_certificate_with_the_variable_of_its_line() -> None:
    with tls_sandbox() as sandbox:
        variable, code = sandbox.variable_and_code_for("Node SDK")
        assert list(variable) == ["NODE_EXTRA_CA_CERTS"]
        # The SDK's version 5 sends with fetch, below this URL.
        (url,) = re.findall(r'new TrackClient\("sandbox", "sandbox", \{ url: "(\S+)" \}\)', code)
        program = (
            f"fetch('{url}/customers/1', {{method: 'PUT', body: '{{}}', headers: {{"
            "'Content-Type': 'application/json', Authorization: 'Basic ' + btoa('sandbox:sandbox')}})"
            ".then(response => console.log(response.status), error => console.log(error.cause.code))"
        )
        outputs = [
            subprocess.run(
                [NODE or "node", "-e", program], env=environment() | more, capture_output=True, text=True, check=True
            ).stdout
            for more in (variable, {})
        ]
    assert outputs == ["200\n", "UNABLE_TO_VERIFY_LEAF_SIGNATURE\n"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_line_is_a_command() -> None:
    with tls_sandbox() as sandbox:
        result = subprocess.run(
            shlex.split(sandbox.line_for("curl")), capture_output=True, text=True, check=False, env=environment()
        )
    assert json.loads(result.stdout)["region"] == "us", result.stderr


def test_this_server_sends_to_it_with_the_variable_of_its_line() -> None:
    call = {"name": "send_event", "arguments": {"customer_id": "1", "event_name": "bought"}}
    messages = [INITIALIZE, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}]
    with tls_sandbox() as sandbox:
        variable, _ = sandbox.variable_and_code_for("this server")
        assert list(variable) == ["SSL_CERT_FILE"]
        settings = environment(api_key="sandbox:sandbox", track_url=sandbox.url)
        stdin = "".join(json.dumps(message) + "\n" for message in messages)
        process = run(stdin=stdin, env=settings | variable)
        assert json.loads(process.stdout.splitlines()[1])["result"]["structuredContent"]["success"], process.stderr
        assert [event["name"] for event in sandbox.state()["events"]] == ["bought"]


async def test_the_page_works_over_https() -> None:
    with tls_sandbox() as sandbox:
        async with (
            running_browser() as browser,
            open_page(browser, sandbox.url, path="/#/people", ignore_https_errors=True) as page,
            httpx.AsyncClient(verify=sandbox.context, auth=AUTH, trust_env=False) as http,
        ):
            await http.put(f"{sandbox.url}/api/v1/customers/1", json={"email": "ann@example.com"})
            await expect(page.get_by_text("ann@example.com").first).to_be_visible()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "track-sandbox", "10.1.2.3"])
def test_certificate_is_valid_for_every_name(name: str) -> None:
    with tls_sandbox("--allow-host", "track-sandbox", "--allow-host", "10.1.2.3") as sandbox:
        assert "valid for localhost, 127.0.0.1, ::1, track-sandbox, 10.1.2.3; clients" in sandbox.lines[1]
        connection = socket.create_connection(("127.0.0.1", sandbox.port))
        with sandbox.context.wrap_socket(connection, server_hostname=name) as secured:
            assert secured.version() == "TLSv1.3"
            hostname = f"[{name}]" if ":" in name else name
            secured.sendall(f"GET / HTTP/1.1\r\nHost: {hostname}\r\nConnection: close\r\n\r\n".encode())
            assert secured.recv(12) == b"HTTP/1.1 200"


@pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
def test_openssl_verifies_the_certificate_but_not_for_other_names() -> None:
    with tls_sandbox() as sandbox:
        results = [
            subprocess.run(
                [
                    *(OPENSSL or "openssl", "s_client", "-connect", f"127.0.0.1:{sandbox.port}"),
                    *("-CAfile", sandbox.ca_file, "-verify_return_error", "-x509_strict", "-verify_hostname", name),
                ],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            for name in ("localhost", "other")
        ]
    assert "Verify return code: 0 (ok)" in results[0].stdout
    assert "hostname mismatch" in results[1].stdout + results[1].stderr


def test_start_that_fails_leaves_the_file_of_the_running_sandbox(tmp_path: Path) -> None:
    with tls_sandbox("--ca-file", str(tmp_path / "ca.pem")) as sandbox:
        before = (tmp_path / "ca.pem").read_bytes()
        process = run("sandbox", "--tls", "--port", str(sandbox.port), "--ca-file", str(tmp_path / "ca.pem"))
        assert process.returncode == 1
        assert f"cannot listen on 127.0.0.1 port {sandbox.port}: " in process.stderr
        assert (tmp_path / "ca.pem").read_bytes() == before
        assert sandbox.ca_file == tmp_path / "ca.pem"
        assert sandbox.state()["people"] == []


def test_no_private_key_stays_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with tls_sandbox() as sandbox:
        assert list(temporary.iterdir()) == []
        assert [path.name for path in sandbox.ca_file.parent.iterdir()] == [f"sandbox-ca-{sandbox.port}.pem"]
        assert sandbox.ca_file.read_text().count("-----BEGIN ") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ca-file", "/"], "--ca-file: / is not a regular file; name another file with --ca-file"),
        (["--allow-host", "my_sandbox"], "--tls: a certificate cannot contain this hostname ("),
    ],
)
def test_what_prevents_tls_is_one_line(options: list[str], message: str) -> None:
    process = run("sandbox", "--tls", "--port", "0", *options)
    assert process.returncode == 2
    (line,) = process.stderr.splitlines()
    assert line.startswith(f"customerio-track-mcp: {message}")


def test_the_library_is_loaded_only_to_make_a_certificate() -> None:
    program = (
        "import customerio_track_mcp.cli.sandbox, customerio_track_mcp.cli.ca_file, sys\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('trustme', 'cryptography')])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.stdout == "[]\n", result.stderr
