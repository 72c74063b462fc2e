"""docs/deploy.md, followed from its first line in an empty clone on a machine with Python, Caddy and Redis.

The commands run in the order of the page, each in a shell that has the variables that the ones before it exported. What
the page asks a person to do is done in between: write the credentials, copy Prometheus's token, and press Ctrl+C.
Ports, `/opt` and the certificate authority are those of the test.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

import httpx
import pytest
import redis
import yaml
from anyio import to_thread
from mcp import Client

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.caddy import caddyfile, needs_caddy, version_variables
from tests.support.checkout import copy_checkout, newcomers_environment
from tests.support.documents import DEPLOY, ROOT, blocks
from tests.support.http_service import HEADERS, bearer, call, payload_in
from tests.support.redis_server import REDIS_SERVER
from tests.support.waiting import wait_until

HOSTNAME: Final = "mcp.example.com"

NOT_RUN: Final = {
    "docker": "needs a container engine; test_dockerfile.py runs the steps of the image",
    "kubectl": "needs a cluster; the manifests are validated against the schemas of Kubernetes",
    "claude": "is a host; tests/project/test_host_configurations.py calls the service with what it is given",
}
"""Programs of the page that a test cannot run, and why. Their arguments are validated."""

needs_redis = pytest.mark.skipif(
    REDIS_SERVER is None and "REQUIRE_REDIS" not in os.environ, reason="redis-server is not installed"
)


def commands() -> list[str]:
    """Return the commands of the page, in its order."""
    text = "\n".join(blocks(DEPLOY, "console")).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip()]


def program(command: str) -> str:
    """Return the program of a command, after the variables that it sets."""
    return next(word for word in shlex.split(command) if not re.match(r"\w+=", word))


def free_ports(number: int) -> list[int]:
    """Return ports on which nobody listens."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [listener.getsockname()[1] for listener in listeners]


class Terminal:
    """Shells in a clone, of which each knows the variables that the ones before it exported.

    Args:
        clone: the clone, which is their working directory.
        environment: the variables of the first.
    """

    def __init__(self, clone: Path, environment: dict[str, str]) -> None:
        self._clone = clone
        self._environment = environment
        self._exported = clone / ".exported"
        self._exported.touch()
        self._numbers = count()
        self._shells: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, command: str) -> tuple[subprocess.Popen[bytes], Path]:
        """Start a command; returns its shell, which leads a process group of its own, and the file of its output."""
        output = self._clone / f".output-{next(self._numbers)}"
        script = f". ./.exported\n{command}\nstatus=$?\nexport -p > .exported\nexit $status"
        with output.open("wb") as file:
            shell = subprocess.Popen(
                ["/bin/bash", "-c", script],
                cwd=self._clone,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._shells[command] = shell
        return shell, output

    async def run(self, command: str) -> str:
        """Run a command until its shell exits, which must report success; returns the output."""
        shell, output = self.start(command)
        status = await to_thread.run_sync(shell.wait, abandon_on_cancel=True)
        text = output.read_text(encoding="utf-8")
        assert status == 0, f"{command}\n{text}"
        return text

    def send_signal(self, command: str, number: signal.Signals) -> None:
        """Send a signal to what a command started and left running."""
        os.killpg(self._shells[command].pid, number)

    def kill(self) -> None:
        """End all that was started."""
        for command, shell in self._shells.items():
            with suppress(ProcessLookupError):
                self.send_signal(command, signal.SIGKILL)
            shell.wait()


@contextmanager
def terminal_in(clone: Path) -> Iterator[Terminal]:
    """Open a terminal of somebody who has only Python, Caddy and Redis."""
    programs = clone.parent / "bin"
    programs.mkdir()
    python = programs / "python3"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    home = str(clone.parent / "home")
    environment = (
        newcomers_environment()
        | version_variables()
        | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": home,
            "XDG_DATA_HOME": home,
            "XDG_CONFIG_HOME": home,
        }
    )
    terminal = Terminal(clone, environment)
    try:
        yield terminal
    finally:
        terminal.kill()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "opt").mkdir()
    return copy_checkout(tmp_path / "clone")


@needs_caddy
@needs_redis
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
async def test_the_page_can_be_followed_from_its_first_line(clone: Path, sandbox: RunningSandbox) -> None:
    try_port, *replica_ports, redis_port, https_port, http_port = free_ports(6)
    options = ("admin off", "local_certs", "skip_install_trust", f"http_port {http_port}", f"https_port {https_port}")
    # The load balancer notices a draining replica sooner, so that replicas can drain for a shorter time.
    balancer = caddyfile(*options).replace("health_interval 2s", "health_interval 100ms")
    (clone / "deploy" / "Caddyfile").write_text(balancer, encoding="utf-8")
    replaced = {
        "/opt/": f"{clone.parent}/opt/",
        "http --sandbox": f"http --sandbox --port {try_port}",
        "8001": str(replica_ports[0]),
        "8002": str(replica_ports[1]),
        "6379": str(redis_port),
        "DRAIN_DELAY=5": "DRAIN_DELAY=1",
    }
    metrics_token = clone / "deploy" / "prometheus" / "metrics-token"
    tokens: dict[str, str] = {}
    replicas: list[str] = []
    numbers = count()
    done: list[str] = []

    with terminal_in(clone) as terminal:

        async def follow(command: str) -> None:
            for documented, here in replaced.items():
                command = command.replace(documented, here)
            if program(command) == "printf":
                command = command.replace("TOKEN", tokens["prometheus"])
            if "http --sandbox" in command:
                await try_it(command)
            elif program(command) == "caddy":
                terminal.start(command)
                await wait_until(partial(is_served, https_port, clone))
            else:
                output = await terminal.run(command)
                if created := re.search(r"^customerio-track-mcp token ([\w-]+)", command):
                    (tokens[created[1]],) = re.findall(r"^ *([\w-]{32,})$", output, re.MULTILINE)
                if command.startswith("cp .env.example"):
                    fill_in_credentials(clone / "deploy" / ".env", sandbox.url)
                if "http --port" in command:
                    replicas.append(command)

        async def try_it(command: str) -> None:
            shell, output = terminal.start(command)
            await wait_until(lambda: "listening on" in output.read_text(encoding="utf-8"))
            async with Client(f"http://127.0.0.1:{try_port}/mcp") as client:
                result = await client.call_tool("send_event", {"customer_id": "1", "event_name": "tried"})
                assert result.structured_content["success"]
            os.killpg(shell.pid, signal.SIGINT)
            assert await to_thread.run_sync(shell.wait) == 0, output.read_text(encoding="utf-8")

        async def send(http: httpx.AsyncClient) -> None:
            event = call(customer_id="1", event_name=f"event {next(numbers)}")
            assert payload_in(await http.post("/mcp", json=event, headers=bearer(tokens["ann"])))["success"]

        for command in commands():
            if program(command) not in NOT_RUN:
                await follow(command)
                done.append(program(command))

        async with behind_tls(https_port, clone) as http:
            await send(http)
            assert (await http.post("/mcp", json=call())).status_code == 401
            assert (await http.get("/metrics")).status_code == 404
            # "Rotate a key": one replica after another, while calls succeed.
            for port, command in zip(replica_ports, replicas, strict=True):
                terminal.send_signal(command, signal.SIGTERM)
                while await is_ready(port) is not None:
                    await send(http)
                await terminal.run(command)
                while not await is_ready(port):
                    await send(http)
        assert await terminal.run(compose_health_check(replica_ports[0])) == ""
        for port in replica_ports:
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", headers=HEADERS, trust_env=False
            ) as replica:
                await send(replica)
                assert (await replica.get("/metrics")).status_code == 401
                authorized = {"Authorization": f"Bearer {metrics_token.read_text(encoding='utf-8')}"}
                metrics = (await replica.get("/metrics", headers=authorized)).text
                assert "customerio_track_mcp_rate_budget_lost 0.0" in metrics
        with redis.Redis(port=redis_port) as client:
            connections = {connection["addr"] for connection in client.client_list()}
        assert len(connections) >= 3  # both replicas, and this test
    names = [event.name for event in sandbox.workspace.events]
    assert sorted(names) == sorted(f"event {number}" for number in range(next(numbers)))
    assert {"python3", "customerio-track-mcp", "redis-server", "caddy"} <= set(done)


def fill_in_credentials(file: Path, track_url: str) -> None:
    """Write the sandbox's credentials and URL to an env file."""
    text = file.read_text(encoding="utf-8")
    for name, value in {"SITE_ID": "sandbox", "API_KEY": "sandbox", "TRACK_URL": track_url}.items():
        text, replaced = re.subn(f"^#?CUSTOMERIO_{name}=.*$", f"CUSTOMERIO_{name}={value}", text, flags=re.MULTILINE)
        assert replaced == 1
    file.write_text(text, encoding="utf-8")


def compose_health_check(port: int) -> str:
    """Return the command by which Compose checks a replica."""
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    word, *command = compose["services"]["mcp-1"]["healthcheck"]["test"]
    assert word == "CMD"
    return shlex.join(command).replace("8000", str(port))


async def is_ready(port: int) -> bool | None:
    """Return whether a replica is ready; None if it does not listen."""
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
    except httpx.TransportError:
        return None


def behind_tls(port: int, clone: Path) -> httpx.AsyncClient:
    """Return a client of `https://mcp.example.com` that resolves it to this machine and trusts Caddy's root."""
    root = clone.parent / "home" / "caddy" / "pki" / "authorities" / "local" / "root.crt"

    async def name_the_server(request: httpx.Request) -> None:
        request.extensions["sni_hostname"] = HOSTNAME

    return httpx.AsyncClient(
        base_url=f"https://127.0.0.1:{port}",
        headers=HEADERS | {"Host": HOSTNAME},
        verify=ssl.create_default_context(cafile=root),
        event_hooks={"request": [name_the_server]},
        trust_env=False,
        timeout=60,
    )


async def is_served(port: int, clone: Path) -> bool:
    """Return whether Caddy passes requests on to a replica."""
    try:
        async with behind_tls(port, clone) as http:
            return (await http.post("/mcp", json={})).status_code == 401
    except (httpx.TransportError, OSError):
        return False


def test_programs_that_do_not_run_here_are_known_and_used() -> None:
    programs = {program(command) for command in commands()}
    assert set(NOT_RUN) < programs


def test_files_and_services_that_container_commands_name_exist() -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert version
    for command in commands():
        if program(command) != "docker":
            continue
        words = shlex.split(command)[1:]
        if words[0] == "build":
            assert words[1:] == ["--tag", f"customerio-track-mcp:{version[1]}", "."]
            continue
        assert words[:3] == ["compose", "--file", "deploy/compose.yaml"]
        *options, last = words[3:]
        assert "up" in words
        if "--profile" in options:
            assert options[options.index("--profile") + 1] in {
                profile for service in compose["services"].values() for profile in service.get("profiles", [])
            }
        assert last.startswith("--") or last in compose["services"]


def test_files_and_names_that_kubernetes_commands_name_exist() -> None:
    written_by_the_page = {"deploy/tokens/tokens", "deploy/prometheus/metrics-token"}
    created: set[str] = set()
    for command in commands():
        for part in command.split("|"):
            if program(part) != "kubectl":
                continue
            words = shlex.split(part)[1:]
            for file in re.findall(r"--(?:kustomize|filename|patch-file)[ =](\S+)", part):
                assert file == "-" or (ROOT / file).exists(), file
            for file in re.findall(r"--from-file=[\w-]+=(\S+)", part):
                assert file in written_by_the_page
                assert file in (ROOT / ".gitignore").read_text(encoding="utf-8") or "deploy/tokens/" in file
            if words[:2] == ["create", "secret"]:
                created.add(words[3])
            if "--patch" in words:
                patch = json.loads(words[words.index("--patch") + 1])
                assert set(patch["stringData"]) <= {"site-id", "api-key", "redis-url"}
            assert words[0] in {"create", "config", "apply", "patch", "rollout", "delete"}
    assert created == {"customerio-track-mcp", "customerio-track-mcp-metrics"}


def test_the_secret_that_the_page_creates_has_the_keys_that_the_deployment_reads() -> None:
    (command,) = [line for line in commands() if line.startswith("kubectl create secret") and "site-id" in line]
    keys = set(re.findall(r"--from-(?:literal|file)=([\w-]+)=", command))
    deployment = (ROOT / "deploy" / "kubernetes" / "deployment.yaml").read_text(encoding="utf-8")
    used = set(re.findall(r"secretKeyRef: {name: customerio-track-mcp, key: ([\w-]+)}", deployment))
    assert keys == used | {"tokens"}
