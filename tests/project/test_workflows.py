"""The workflows of GitHub Actions: valid, with minimal permissions, pinned, and in step with the project."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.documents import ROOT

FOLDER: Final = ROOT / ".github" / "workflows"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="not a git checkout")
WORKFLOWS: Final = sorted(FOLDER.glob("*.yml"))
TOOLS: Final = Path(sys.executable).parent


def load(name: str) -> dict[Any, Any]:
    content: dict[Any, Any] = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return content


def run(tool: str, *arguments: str) -> str:
    """Return what a tool reports; empty if it finds no problem."""
    completed = subprocess.run([TOOLS / tool, *arguments], capture_output=True, encoding="utf-8", check=False)
    return completed.stdout + completed.stderr if completed.returncode else ""


def schema_errors(*workflows: Path) -> str:
    """Return what GitHub's schema rejects, unknown keys included."""
    return run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *map(str, workflows))


def findings(*workflows: Path) -> str:
    """Return what zizmor finds. It is offline; some of its rules need GitHub."""
    return run("zizmor", "--offline", "--quiet", "--color", "never", *map(str, workflows))


@pytest.mark.integration
def test_workflows_are_valid_and_hardened() -> None:
    assert schema_errors(*WORKFLOWS) == ""
    assert findings(*WORKFLOWS) == ""


@pytest.mark.integration
def test_problems_are_found(tmp_path: Path) -> None:
    text = (FOLDER / "release.yml").read_text(encoding="utf-8")

    def changed(name: str, before: str, after: str) -> Path:
        assert before in text
        path = tmp_path / f"{name}.yml"
        path.write_text(text.replace(before, after), encoding="utf-8")
        return path

    assert "timeout-minute" in schema_errors(changed("unknown-key", "timeout-minutes: 60", "timeout-minute: 60"))
    found = findings(
        changed(
            "permissions", "    permissions:\n      id-token: write\n    steps", "    permissions: write-all\n    steps"
        ),
        changed("pin", "@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7"),
        changed("expression", '"$GITHUB_REF_NAME" "', '"${{ github.event.head_commit.message }}" "'),
    )
    for rule in ("excessive-permissions", "unpinned-uses", "template-injection"):
        assert f"[{rule}]" in found


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_and_the_same_everywhere(workflow: Path) -> None:
    everywhere = dict(
        pin
        for path in WORKFLOWS
        for pin in re.findall(r"uses: (\S+)@(\S+ # v\d+\.\d+\.\d+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    )
    used = re.findall(r"uses: (\S+?)@(.+)$", workflow.read_text(encoding="utf-8"), re.MULTILINE)
    assert used
    for action, pin in used:
        assert re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", pin), action
        assert everywhere[action] == pin, action


def test_release_uses_no_stored_secret_and_each_job_only_the_permissions_that_it_needs() -> None:
    assert "secrets." not in (FOLDER / "release.yml").read_text(encoding="utf-8")
    release = load("release.yml")
    assert release["permissions"] == {}
    assert {name: job["permissions"] for name, job in release["jobs"].items()} == {
        "test": {"contents": "read"},
        "build": {"contents": "read"},
        "attest": {"id-token": "write", "attestations": "write"},
        "pypi": {"id-token": "write"},
        "image": {"contents": "read", "packages": "write", "id-token": "write", "attestations": "write"},
        "github": {"contents": "write"},
        "registry": {"id-token": "write"},
    }


def test_nothing_is_published_before_the_tests_and_the_build_pass() -> None:
    jobs = load("release.yml")["jobs"]

    def before(job: str) -> set[str]:
        needs = set(jobs[job].get("needs", []))
        return needs.union(*(before(need) for need in needs))

    for name, job in jobs.items():
        if "write" in job["permissions"].values():
            assert {"test", "build"} <= before(name), name
    assert {"pypi", "image", "github"} <= before("registry")


def test_ci_covers_every_supported_python() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    classifiers = {
        found[1] for line in project["classifiers"] if (found := re.fullmatch(r".* :: Python :: (3\.\d+)", line))
    }
    jobs = load("ci.yml")["jobs"]
    assert set(jobs["fast"]["strategy"]["matrix"]["python"]) == classifiers
    by_age = sorted(classifiers, key=lambda version: int(version.partition(".")[2]))
    assert project["requires-python"] == f">={by_age[0]}"
    assert jobs["dependencies"]["strategy"]["matrix"]["python"] == [by_age[0], by_age[-1]]


def test_next_versions_are_tried_every_week_and_may_fail() -> None:
    ci = load("ci.yml")
    triggers = ci[True]  # YAML 1.1 reads `on` as a boolean
    assert re.fullmatch(r"\d+ \d+ \* \* \d", triggers["schedule"][0]["cron"])
    assert "workflow_dispatch" in triggers
    tolerant = {name for name, job in ci["jobs"].items() if "continue-on-error" in job}
    assert tolerant == {"next"}
    assert ci["jobs"]["next"]["continue-on-error"] is True
    assert ci["jobs"]["next"]["steps"][-1]["run"] == "make test-next"


def test_releasing_page_names_the_workflow_environment_and_checks() -> None:
    page = (ROOT / "RELEASING.md").read_text(encoding="utf-8")
    environments = {job["environment"] for job in load("release.yml")["jobs"].values() if "environment" in job}
    assert environments == {"release"}
    assert "workflow `release.yml`, environment `release`" in page
    for module in re.findall(r"python -m publish\.(\w+)", page + (FOLDER / "release.yml").read_text(encoding="utf-8")):
        assert (ROOT / "publish" / f"{module}.py").exists(), module
