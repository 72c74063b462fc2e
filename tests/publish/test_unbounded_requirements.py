"""The requirements that `make test-next` installs."""

from __future__ import annotations

import tomllib

from packaging.requirements import Requirement

from publish.unbounded_requirements import unbounded_requirements
from tests.support.documents import ROOT


def test_upper_bounds_are_removed_and_everything_else_is_kept() -> None:
    project = {
        "name": "customerio-track-mcp",
        "dependencies": ["uvicorn>=0.34,<0.55", 'pyjwt[crypto]>=2.15; python_version < "4"', "h11<=0.16,!=0.15"],
        "optional-dependencies": {
            "fast": ["httptools>=0.6,<1"],
            "dev": ["customerio-track-mcp[fast]", "pytest"],
        },
    }
    assert unbounded_requirements(project) == [
        "uvicorn>=0.34",
        'pyjwt[crypto]>=2.15; python_version < "4"',
        "h11!=0.15",
        "httptools>=0.6",
        "pytest",
    ]


def test_every_requirement_of_the_package_is_among_them() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    unbounded = [Requirement(line) for line in unbounded_requirements(project)]
    listed = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    names = {Requirement(line).name for line in listed} - {project["name"]}
    assert {requirement.name for requirement in unbounded} == names
    operators = {bound.operator for requirement in unbounded for bound in requirement.specifier}
    assert operators == {">="}
