"""Proxy and certificate variables that cannot be used prevent startup, with one line that contains no secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.loaded_command import run_loaded
from tests.support.messages import INITIALIZE
from tests.support.process import environment, problem_of

COMMANDS = (["stdio"], ["check"], ["http", "--port", "0"], ["http", "--port", "0", "--workers", "2"])
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
TRACK_URL = "https://track.customer.invalid"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("HTTPS_PROXY", "http://user:p#SECRET@HIDDEN:8080", "the proxy URL cannot be parsed"),
        ("all_proxy", "http://user:SECRET@HIDDEN:99999", "the proxy URL has an invalid port"),
        ("https_proxy", "socks9://user:SECRET@HIDDEN", "the proxy URL has an unsupported scheme"),
    ],
)
def test_invalid_proxy_prevents_startup(command: list[str], variable: str, value: str, problem: str) -> None:
    completed = run_loaded(*command, env=environment(track_url=TRACK_URL, api_key="site:key") | {variable: value})
    line = problem_of(completed)
    assert line.startswith(f"{variable}: {problem}")
    assert "percent-encode" in line
    assert not any(hidden in line for hidden in ("SECRET", "HIDDEN", "hidden", "socks9", "99999"))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("variable", CERTIFICATES)
def test_missing_certificates_prevent_startup(tmp_path: Path, command: list[str], variable: str) -> None:
    path = tmp_path / "no such file"
    env = environment(track_url=TRACK_URL, api_key="site:key")
    completed = run_loaded(*command, env=env | dict.fromkeys(CERTIFICATES, "") | {variable: str(path)})
    assert problem_of(completed).startswith(f"{variable}: {path}: ")


def test_variables_that_cannot_be_used_do_not_matter_for_the_sandbox() -> None:
    unusable = {"HTTPS_PROXY": "http://user:p#w@proxy", "SSL_CERT_FILE": "/no/such/file"}
    completed = run_loaded("stdio", "--sandbox", stdin=json.dumps(INITIALIZE) + "\n", env=environment() | unusable)
    assert completed.returncode == 0
    assert json.loads(completed.stdout)["id"] == INITIALIZE["id"]
