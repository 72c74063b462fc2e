"""Why each dependency is there, and which versions are excluded."""

from __future__ import annotations

import re
import tomllib
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.support.documents import ROOT

TEXT: Final = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT: Final = tomllib.loads(TEXT)["project"]
SOURCES: Final = sorted((ROOT / "server").rglob("*.py"))
# The bounds below which the private parts that the package uses were checked.
EXCLUDED: Final = {
    "uvicorn": "0.55",
    "aiohttp": "3.15",
    "mcp": "2.4",
    "sse-starlette": "4",
    "httptools": "1",
}


def documented() -> dict[str, tuple[Requirement, str]]:
    """Return each requirement with the comment on its line or on the lines above."""
    found: dict[str, tuple[Requirement, str]] = {}
    above: list[str] = []
    for line in TEXT[TEXT.index("\ndependencies = [") : TEXT.index("\n[project.urls]")].splitlines():
        if comment := re.fullmatch(r" +# (.+)", line):
            above.append(comment[1])
            continue
        for entry, comment_of_line in re.findall(r'"([\w-]+(?:\[[\w,]+\])?(?:[<>=!][^"]*)?)",?]? *(?:# (.*))?', line):
            requirement = Requirement(entry)
            found[requirement.name] = requirement, " ".join([*above, comment_of_line]).strip()
        above = []
    return found


DOCUMENTED: Final = documented()
RUNTIME: Final = [Requirement(line).name for line in PROJECT["dependencies"]]
OPTIONAL: Final = [
    Requirement(line).name
    for extra, lines in PROJECT["optional-dependencies"].items()
    if extra != "dev"
    for line in lines
]


def is_bounded(specifier: SpecifierSet) -> bool:
    return any(bound.operator == "<" for bound in specifier)


@pytest.mark.parametrize("name", [*RUNTIME, *OPTIONAL])
def test_a_dependency_of_which_private_parts_are_used_has_an_upper_bound(name: str) -> None:
    requirement, comment = DOCUMENTED[name]
    if re.search(r"\b(private|provisional|undocumented)\b", comment, re.IGNORECASE):
        assert is_bounded(requirement.specifier), comment


@pytest.mark.parametrize("name", EXCLUDED)
def test_versions_that_were_not_checked_are_excluded(name: str) -> None:
    requirement, _ = DOCUMENTED[name]
    assert f"<{EXCLUDED[name]}" in str(requirement.specifier).split(",")


@pytest.mark.parametrize("name", [*RUNTIME, *OPTIONAL])
def test_a_dependency_has_a_reason(name: str) -> None:
    _, comment = DOCUMENTED[name]
    assert comment


def test_every_private_name_in_the_code_is_of_a_package_with_an_upper_bound() -> None:
    imported = set()
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        for module, names in re.findall(r"^ *from ([\w.]+) import (\([^)]*\)|.*)", text, re.MULTILINE):
            private = re.search(r"\._[a-z]", module) or re.search(r"(?<![\w.])_[a-zA-Z]", names.split("#")[0])
            if private and not module.startswith(("customerio_track_mcp", "__future__", ".")):
                imported.add(module.partition(".")[0].replace("_", "-"))
    unbounded = {name for name in imported if not is_bounded(DOCUMENTED[name][0].specifier)}
    assert unbounded == set()
