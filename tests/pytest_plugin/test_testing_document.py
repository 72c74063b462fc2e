"""The Python part of docs/testing.md runs as it is written, and agrees with the sandbox and the plugin."""

from __future__ import annotations

import re
from typing import Final

import pytest

from customerio_track_mcp.sandbox import Sandbox
from tests.pytest_plugin.projects import Project
from tests.support.documents import DOCUMENTS, blocks, section

TESTING: Final = DOCUMENTS["docs/testing.md"].partition("\n## Node\n")[0]
FILES: Final = {block.split()[1]: block for block in blocks(TESTING, "python")}
"""The examples by their names, which the first line of each contains."""
TEXT: Final = re.sub(r"```.*?```", "", TESTING, flags=re.DOTALL)
"""The document without the examples, whose first lines look like headings."""
PROGRAMS: Final = ("without_pytest.py", "in_an_event_loop.py")
MARKERS: Final = re.findall(r"^\| `(customerio_fault\(.+?\))` \|", section("### Faults", TEXT), re.MULTILINE)


@pytest.fixture
def documented(project: Project) -> Project:
    """A project that consists of the examples."""
    for name, text in FILES.items():
        project.add(name, text)
    return project


def test_every_example_is_a_file_of_its_own() -> None:
    assert len(FILES) == len(blocks(TESTING, "python"))
    assert [text.splitlines()[0] for text in FILES.values()] == [f"# {name}" for name in FILES]


def test_documented_tests_pass(documented: Project) -> None:
    outcome = documented.run()
    assert outcome.counts == {"passed": sum(text.count("\ndef test_") for text in FILES.values())}, outcome.output


@pytest.mark.parametrize("name", PROGRAMS)
def test_documented_program_runs(documented: Project, name: str) -> None:
    completed = documented.run_python("-W", "error", name)
    assert completed.returncode == 0, completed.stdout


def test_documented_fixture_fails_a_test_that_sends_what_is_dropped(documented: Project) -> None:
    documented.add(
        "test_dropped.py",
        """
        from purchases import record_purchase
        from tracking import track

        def test_long_note(customerio_sandbox):
            assert track(customerio_sandbox, "1042", "note", text="x" * 200_000) == 200
        """,
    )
    outcome = documented.run("test_dropped.py")
    assert outcome.counts == {"passed": 1, "error": 1}
    assert "silently dropped, one thing:" in outcome.output


def test_without_the_id_the_documented_test_finds_two_events(documented: Project) -> None:
    documented.add("newsletter.py", FILES["newsletter.py"].replace(", id=event_id", ""))
    outcome = documented.run("test_newsletter.py")
    assert outcome.counts == {"failed": 1}
    assert "['subscribed', 'subscribed'] == ['subscribed']" in outcome.output


def test_documented_markers_are_valid(project: Project) -> None:
    assert len(MARKERS) == 5
    tests = [
        f"@pytest.mark.{marker}\ndef test_{number}(customerio_sandbox): pass\n" for number, marker in enumerate(MARKERS)
    ]
    project.add("test_markers.py", "\n".join(["import pytest", *tests]))
    outcome = project.run()
    assert outcome.counts == {"passed": 5}, outcome.output


def test_every_public_name_of_the_sandbox_is_documented() -> None:
    public = {name for name in dir(Sandbox) if not name.startswith("_")}
    text = section("### The sandbox", TEXT)
    assert {name for name in public if not re.search(rf"`{name}[`(]", text)} == set()
    assert set(re.findall(r"`(\w+)\(?[^`]*`", text.partition("| --- | --- |")[2])) <= public | {
        "status",
        "body",
        "json",
        "fault",
        "None",
        "cio_",
    }


def test_documented_fixtures_are_those_of_the_plugin(project: Project) -> None:
    project.add("test_nothing.py", "")
    listed = project.run("--fixtures").output
    fixtures = set(re.findall(r"^(customerio_\w+)", listed, re.MULTILINE))
    rows = re.findall(r"^\| (`customerio_sandbox.+?) \|", section("## Python", TEXT), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == fixtures
