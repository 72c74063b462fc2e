"""The Dockerfile's own steps, in an empty folder and an environment of its own in the place of the image.

There is no container engine here: what a container adds (its user, its file system) is not tested.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from tests.http_service.serving import HEADERS, PING
from tests.process import url_told

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Step:
    instruction: str
    words: str


def stages() -> list[list[Step]]:
    """The Dockerfile's stages, each with its steps."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    found: list[list[Step]] = []
    for line in filter(None, map(str.strip, lines)):
        instruction, _, words = line.partition(" ")
        if instruction == "FROM":
            found.append([])
        if found:
            found[-1].append(Step(instruction, words.strip()))
    return found


def words_of(stage: list[Step], instruction: str) -> list[str]:
    return [step.words for step in stage if step.instruction == instruction]


def ignored(name: str) -> bool:
    rules = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    verdict = False
    for rule in rules:
        if fnmatch.fnmatch(name, rule.removeprefix("!")) or name.startswith(f"{rule.removeprefix('!')}/"):
            verdict = not rule.startswith("!")
    return verdict


def test_what_is_copied_is_not_ignored_and_what_is_private_is() -> None:
    build, _ = stages()
    for words in words_of(build, "COPY"):
        for source in words.split()[:-1]:
            assert (ROOT / source).exists()
            assert not ignored(source), source
    for private in (".env", ".git", ".venv", "deploy/tokens", "server/x/__pycache__"):
        assert ignored(private), private


def test_the_bases_are_pinned_by_version_and_the_result_has_no_root() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^ARG PYTHON_VERSION=3\.\d+\.\d+$", text, re.MULTILINE)
    assert [words_of(stage, "FROM")[0].split()[0] for stage in stages()] == ["python:${PYTHON_VERSION}-slim-trixie"] * 2
    _, result = stages()
    (user,) = words_of(result, "USER")
    assert int(user.split(":")[0]) > 0
    assert [words for words in words_of(result, "COPY") if not words.startswith("--from=build ")] == []


def test_the_documents_give_the_same_steps() -> None:
    build, _ = stages()
    documented = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    for command in words_of(build, "RUN"):
        assert f"\n{command}\n" in documented


def test_the_images_of_the_deployments_are_of_this_version() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert version
    kustomization = yaml.safe_load((ROOT / "deploy/kubernetes/kustomization.yaml").read_text(encoding="utf-8"))
    assert kustomization["images"][0]["newTag"] == version[1]
    assert f"customerio-track-mcp:{version[1]}" in (ROOT / "deploy/compose.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the steps of both stages have been taken; its `opt/venv` is the image's."""
    root = tmp_path_factory.mktemp("image")
    # What the base image brings: a Python with pip.
    subprocess.run([sys.executable, "-m", "venv", root / "base"], check=True)
    source = root / "src"
    source.mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE", "PYTHON"))}
    env["PATH"] = f"{root / 'base' / 'bin'}:{env['PATH']}"
    for stage in stages():
        for step in stage:
            if step.instruction == "COPY" and not step.words.startswith("--from"):
                copy(step.words, source)
            elif step.instruction == "RUN":
                command = step.words.replace("/opt/venv", str(root / "opt" / "venv"))
                subprocess.run(["/bin/sh", "-c", command], cwd=source, env=env, check=True, capture_output=True)
    return root


def copy(words: str, to: Path) -> None:
    *sources, target = words.split()
    for source in sources:
        origin = ROOT / source
        if origin.is_dir():
            shutil.copytree(origin, to / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(origin, to / source)


def test_the_steps_make_a_service_that_starts_is_healthy_and_stops(image: Path, tmp_path: Path) -> None:
    _, result = stages()
    entry = yaml.safe_load(words_of(result, "ENTRYPOINT")[0])
    command = [str(image / "opt" / "venv" / "bin" / entry[0]), *yaml.safe_load(words_of(result, "CMD")[0])]
    command[command.index("8000")] = "0"
    check = re.search(r"CMD (\[.*\])", words_of(result, "HEALTHCHECK")[0])
    assert check
    tokens = tmp_path / "tokens"
    tokens.write_text(f"ann {'t' * 40}\n", encoding="utf-8")
    env = {
        "PATH": "/usr/bin:/bin",
        "CUSTOMERIO_API_KEY": "site:key",
        "CUSTOMERIO_HTTP_TOKENS_FILE": str(tokens),
        "CUSTOMERIO_SECRETS_DIR": os.devnull,
    }
    for words in words_of(result, "ENV"):
        env |= dict(pair.split("=", 1) for pair in shlex.split(words) if not pair.startswith("PATH="))
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, cwd=tmp_path, encoding="utf-8") as process:
        try:
            url = url_told(process, "listening")
            port = httpx.URL(url).port
            python, *arguments = yaml.safe_load(check[1])
            health = [str(image / "opt/venv/bin" / python), *(word.replace("8000", str(port)) for word in arguments)]
            assert subprocess.run(health, check=False).returncode == 0
            local = f"http://127.0.0.1:{port}/mcp"
            assert httpx.post(local, json=PING, headers=HEADERS, trust_env=False).status_code == 401
            known = HEADERS | {"Authorization": f"Bearer {'t' * 40}"}
            assert httpx.post(local, json=PING, headers=known, trust_env=False).status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
            assert subprocess.run(health, check=False, stderr=subprocess.DEVNULL).returncode != 0
        finally:
            process.kill()


def test_the_result_has_no_build_tools(image: Path) -> None:
    python = image / "opt" / "venv" / "bin" / "python"
    for module in ("pip", "setuptools", "hatchling", "pytest", "mypy"):
        absent = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is not None)"
        assert subprocess.run([python, "-c", absent], check=False).returncode == 0, module
    assert not (image / "base" / "bin" / "pip").exists()
    for module in ("limits", "redis", "opentelemetry.sdk", "customerio_track_mcp"):
        assert subprocess.run([python, "-c", f"import {module}"], check=False).returncode == 0, module
