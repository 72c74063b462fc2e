"""The Dockerfile: its contents, and its steps, which run in a temporary folder and virtual environment.

The tests need no container engine, so what a container adds (its user, its file system) is not tested.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from publish.names import read_names
from tests.support.http_service import HEADERS, PING
from tests.support.process import url_from_stderr

ROOT = Path(__file__).parents[2]
OLDEST_BUILD_BACKEND = "hatchling==1.27.0"


@dataclass(frozen=True)
class Step:
    """One instruction of the Dockerfile, with its arguments."""

    instruction: str
    arguments: str


def stages() -> list[list[Step]]:
    """Return the steps of each stage of the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    found: list[list[Step]] = []
    for line in filter(None, map(str.strip, lines)):
        instruction, _, arguments = line.partition(" ")
        if instruction == "FROM":
            found.append([])
        if found:
            found[-1].append(Step(instruction, arguments.strip()))
    return found


def arguments_of(stage: list[Step], instruction: str) -> list[str]:
    """Return the arguments of every `instruction` in a stage."""
    return [step.arguments for step in stage if step.instruction == instruction]


def is_ignored(name: str) -> bool:
    """Return whether `.dockerignore` excludes a path; the last matching rule decides."""
    rules = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    excluded = False
    for rule in rules:
        if fnmatch.fnmatch(name, rule.removeprefix("!")) or name.startswith(f"{rule.removeprefix('!')}/"):
            excluded = not rule.startswith("!")
    return excluded


def test_dockerignore_allows_copied_files_and_excludes_private_ones() -> None:
    for stage in stages():
        for arguments in arguments_of(stage, "COPY"):
            for source in [] if arguments.startswith("--from") else arguments.split()[:-1]:
                assert (ROOT / source).exists()
                assert not is_ignored(source), source
    for private in (
        ".env",
        ".git",
        ".venv",
        "deploy/.env",
        "deploy/tokens",
        "deploy/prometheus/metrics-token",
        "server/x/__pycache__",
    ):
        assert is_ignored(private), private


def test_base_images_are_pinned_and_the_final_image_runs_without_root() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^ARG PYTHON_VERSION=3\.\d+\.\d+$", text, re.MULTILINE)
    assert [arguments_of(stage, "FROM")[0].split()[0] for stage in stages()] == [
        "python:${PYTHON_VERSION}-slim-trixie"
    ] * 2
    _, final = stages()
    (user,) = arguments_of(final, "USER")
    assert int(user.split(":")[0]) > 0
    environment, health_check = arguments_of(final, "COPY")
    assert environment == "--from=build /opt/venv /opt/venv"
    assert health_check.split()[0] == "deploy/container-health.bash"


def test_deployment_guide_contains_the_build_steps() -> None:
    build, _ = stages()
    documented = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    for command in arguments_of(build, "RUN"):
        assert f"\n{command}\n" in documented


def test_labels_follow_from_the_names_in_one_place() -> None:
    names = read_names()
    _, final = stages()
    assert dict(pair.split("=", 1) for pair in shlex.split(arguments_of(final, "LABEL")[0])) == {
        "org.opencontainers.image.title": names.project,
        "org.opencontainers.image.description": names.description,
        "org.opencontainers.image.version": names.version,
        "org.opencontainers.image.licenses": "MIT AND BSD-3-Clause",
        "org.opencontainers.image.source": names.repository,
        "org.opencontainers.image.url": names.repository,
        "org.opencontainers.image.documentation": f"{names.repository}/blob/v{names.version}/docs/deploy.md",
        "org.opencontainers.image.base.name": f"docker.io/library/{arguments_of(final, 'FROM')[0]}",
        "org.opencontainers.image.revision": "${REVISION}",
        "org.opencontainers.image.created": "${CREATED}",
        names.image_label[0]: names.image_label[1],
    }
    assert {argument.partition("=")[0] for argument in arguments_of(final, "ARG")} == {
        "PYTHON_VERSION",
        "REVISION",
        "CREATED",
    }


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the steps of both stages in a temporary folder, and return it; `opt/venv` is the image's `/opt/venv`."""
    root = tmp_path_factory.mktemp("image")
    # Stands for the base image: Python with pip.
    subprocess.run([sys.executable, "-m", "venv", root / "base"], check=True)
    (root / "opt").mkdir()
    source = root / "src"
    source.mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE", "PYTHON"))}
    env["PATH"] = f"{root / 'base' / 'bin'}:{env['PATH']}"
    for stage in stages():
        for step in stage:
            if step.instruction == "COPY" and not step.arguments.startswith("--from"):
                copy(step.arguments, source, root)
                pin_oldest_build_backend(source / "constraints.txt")
            elif step.instruction == "RUN":
                command = step.arguments.replace("/opt/", f"{root}/opt/")
                subprocess.run(["/bin/sh", "-c", command], cwd=source, env=env, check=True, capture_output=True)
    return root


def pin_oldest_build_backend(constraints: Path) -> None:
    """Pin another version than the newest, which the build would use without pins."""
    text = constraints.read_text(encoding="utf-8")
    constraints.write_text(re.sub("^hatchling==.*$", OLDEST_BUILD_BACKEND, text, flags=re.MULTILINE), encoding="utf-8")


def copy(arguments: str, working_directory: Path, root: Path) -> None:
    """Carry out a COPY instruction from the repository.

    Args:
        arguments: sources, and a target.
        working_directory: what a relative target is below.
        root: what an absolute target is below.
    """
    *sources, target = arguments.split()
    to = root / target.removeprefix("/") if target.startswith("/") else working_directory / target
    for source in sources:
        origin = ROOT / source
        if origin.is_dir():
            shutil.copytree(origin, to, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(origin, to)


def test_built_service_starts_reports_healthy_and_stops(image: Path, tmp_path: Path) -> None:
    _, final = stages()
    entry_point = yaml.safe_load(arguments_of(final, "ENTRYPOINT")[0])
    command = [str(image / "opt" / "venv" / "bin" / entry_point[0]), *yaml.safe_load(arguments_of(final, "CMD")[0])]
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    command[command.index("8000")] = str(port)
    check = re.search(r"CMD (\[.*\])", arguments_of(final, "HEALTHCHECK")[0])
    assert check
    tokens = tmp_path / "tokens"
    tokens.write_text(f"ann {'t' * 40}\n", encoding="utf-8")
    env = {
        "PATH": "/usr/bin:/bin",
        "CUSTOMERIO_API_KEY": "site:key",
        "CUSTOMERIO_HTTP_TOKENS_FILE": str(tokens),
        "CUSTOMERIO_SECRETS_DIR": os.devnull,
    }
    for assignments in arguments_of(final, "ENV"):
        env |= dict(pair.split("=", 1) for pair in shlex.split(assignments) if not pair.startswith("PATH="))
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, cwd=tmp_path, encoding="utf-8") as process:
        try:
            url_from_stderr(process, "listening")
            shell, script = yaml.safe_load(check[1])
            # In a container, the service is process 1.
            health = [shell, str(image / script.removeprefix("/")), str(process.pid)]
            proxy = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
            assert subprocess.run(health, env=env | proxy, check=False).returncode == 0
            endpoint = f"http://127.0.0.1:{port}/mcp"
            assert httpx.post(endpoint, json=PING, headers=HEADERS, trust_env=False).status_code == 401
            authenticated = HEADERS | {"Authorization": f"Bearer {'t' * 40}"}
            assert httpx.post(endpoint, json=PING, headers=authenticated, trust_env=False).status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
            assert subprocess.run(health, check=False, stderr=subprocess.DEVNULL).returncode != 0
        finally:
            process.kill()


def test_build_backend_and_its_dependencies_are_pinned(image: Path) -> None:
    (wheel,) = (image / "opt" / "venv").glob("lib/*/site-packages/customerio_track_mcp-*.dist-info/WHEEL")
    assert f"Generator: {OLDEST_BUILD_BACKEND.replace('==', ' ')}\n" in wheel.read_text(encoding="utf-8")
    (pip,) = (image / "opt" / "build").glob("lib/*/site-packages/pip-*.dist-info")
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert pip.name.removesuffix(".dist-info").replace("-", "==") in constraints
    pinned = {line.partition("==")[0] for line in constraints}
    assert {"hatchling", "packaging", "pathspec", "pip", "pluggy", "trove-classifiers"} <= pinned
    build_system = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[project]")[0]
    assert OLDEST_BUILD_BACKEND.replace("==1.27.0", ">=1.27") in build_system


def test_final_image_contains_no_build_tools(image: Path) -> None:
    python = image / "opt" / "venv" / "bin" / "python"
    for module in ("pip", "setuptools", "hatchling", "pytest", "mypy"):
        check_absent = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is not None)"
        assert subprocess.run([python, "-c", check_absent], check=False).returncode == 0, module
    assert not (image / "base" / "bin" / "pip").exists()
    for module in ("limits", "redis", "opentelemetry.sdk", "customerio_track_mcp"):
        assert subprocess.run([python, "-c", f"import {module}"], check=False).returncode == 0, module
