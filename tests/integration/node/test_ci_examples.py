"""docs/testing.md, "In CI": the files of CI systems, validated, and their commands, run without a container.

What a container adds is not tested: its network, its file system and its engine, which runs the health check.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from customerio_track_mcp.cli.parser import create_parser
from publish.names import read_names
from tests.integration.node.project import PAGE, Project, block, needs_node
from tests.support.documents import ROOT, blocks, section
from tests.support.health_check import first_process, health_check
from tests.support.process import environment, running, url_from_stderr

pytestmark = pytest.mark.integration

IMAGE: Final = f"{read_names().image}:{read_names().version}"


@dataclass(frozen=True)
class Example:
    """What an example of a CI system starts, and what it runs against that.

    Attributes:
        image: the image of the sandbox.
        command: the arguments of the image's entry point.
        port: the port that the sandbox listens on in its container.
        url: where the tests reach it.
        tests: the command that runs them, without variables.
        service_variables: the variables in the sandbox's container.
    """

    image: str
    command: list[str]
    port: int
    url: httpx.URL
    tests: str
    service_variables: dict[str, str]


def load(heading: str) -> Any:
    return yaml.safe_load(block(heading, "yaml"))


def published_port(ports: list[str], url: httpx.URL) -> int:
    """Return the port in the container that is published at the port of a URL."""
    (mapping,) = ports
    *_, published, port = mapping.split(":")
    assert url.host == "localhost"
    assert url.port == int(published)
    return int(port)


def github_actions() -> Example:
    job = load("### GitHub Actions")["jobs"]["test"]
    service = job["services"]["sandbox"]
    url = httpx.URL(job["env"]["CUSTOMERIO_SANDBOX"])
    return Example(
        service["image"],
        shlex.split(service["command"]),
        published_port(service["ports"], url),
        url,
        job["steps"][-1]["run"],
        {},
    )


def gitlab_ci() -> Example:
    job = load("### GitLab CI")["test"]
    (service,) = job["services"]
    url = httpx.URL(job["variables"]["CUSTOMERIO_SANDBOX"])
    assert url.host == service["alias"]
    exposed = re.findall(r"^EXPOSE (\d+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert exposed == [str(url.port)]
    # GitLab passes the variables of a job to its services.
    return Example(service["name"], service["command"], int(exposed[0]), url, job["script"][-1], dict(job["variables"]))


def docker_compose() -> Example:
    service = load("### Docker Compose")["services"]["sandbox"]
    _, test, _ = block("### Docker Compose", "console").splitlines()
    variable, tests = test.split(" ", 1)
    url = httpx.URL(variable.removeprefix("CUSTOMERIO_SANDBOX="))
    return Example(service["image"], service["command"], published_port(service["ports"], url), url, tests, {})


EXAMPLES: Final = [github_actions, gitlab_ci, docker_compose]


def schema_errors(schema: str, text: str, folder: Path) -> str:
    """Return what a schema rejects in a file with this text; empty if it is valid."""
    file = folder / "example.yml"
    file.write_text(text, encoding="utf-8")
    tool = Path(sys.executable).with_name("check-jsonschema")
    check = [str(tool), "--builtin-schema", f"vendor.{schema}", str(file)]
    completed = subprocess.run(check, capture_output=True, encoding="utf-8", check=False)
    return completed.stdout + completed.stderr if completed.returncode else ""


@pytest.mark.parametrize(
    ("heading", "schema", "word"),
    [
        ("### GitHub Actions", "github-workflows", "command:"),
        ("### GitLab CI", "gitlab-ci", "command:"),
        ("### Docker Compose", "compose-spec", "ports:"),
    ],
)
def test_example_is_valid(tmp_path: Path, heading: str, schema: str, word: str) -> None:
    text = block(heading, "yaml")
    assert schema_errors(schema, text, tmp_path) == ""
    assert schema_errors(schema, text.replace(word, f"x{word}"), tmp_path) != ""


def test_every_example_is_tested() -> None:
    assert len(blocks(PAGE.partition("\n## In CI\n")[2], "yaml")) == len(EXAMPLES)


def test_actions_have_the_versions_that_this_project_uses() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    used = dict(re.findall(r"uses: (\S+)@\w+ # (v\d+)\.", workflow))
    shown = dict(re.findall(r"uses: (\S+)@(v\d+)$", block("### GitHub Actions", "yaml"), re.MULTILINE))
    assert shown["actions/checkout"] == used["actions/checkout"]


@needs_node
@pytest.mark.parametrize("read", EXAMPLES)
def test_sandbox_of_an_example_is_healthy_and_serves_the_tests(tmp_path: Path, read: Callable[[], Example]) -> None:
    example = read()
    assert example.image == IMAGE
    assert create_parser().parse_args(example.command).port == example.port
    # Another port stands for that of the container, which the engine publishes.
    with running(*example.command, "--port", "0", env=environment() | example.service_variables) as process:
        port = url_from_stderr(process, "sandbox Track API").rpartition(":")[2]
        with first_process("customerio-track-mcp", *example.command, "--port", port) as stand_in:
            result = health_check(stand_in)
        assert (result.returncode, result.stderr) == (0, "")
        response = httpx.get(
            f"http://127.0.0.1:{port}/_sandbox", headers={"Host": example.url.netloc.decode()}, trust_env=False
        )
        assert response.status_code == httpx.codes.OK
        project = Project(tmp_path / "project")
        counts, output = project.run_tests(f"CUSTOMERIO_SANDBOX=http://localhost:{port} {example.tests}")
        assert counts == {"pass": 6, "fail": 0}, output


def test_a_container_beside_the_sandbox_needs_the_option_that_the_page_names() -> None:
    sections = [section(heading, PAGE) for heading in ("### GitHub Actions", "### Docker Compose")]
    (options,) = {option for text in sections for option in re.findall(r"`(--allow-host .+?)`", text)}
    statuses = []
    for more in ("", options):
        with running("sandbox", "--host", "0.0.0.0", "--port", "0", *more.split()) as process:
            port = url_from_stderr(process, "sandbox Track API").rpartition(":")[2]
            url = f"http://127.0.0.1:{port}/_sandbox"
            statuses.append(httpx.get(url, headers={"Host": "sandbox:8765"}, trust_env=False).status_code)
    assert statuses == [httpx.codes.FORBIDDEN, httpx.codes.OK]
