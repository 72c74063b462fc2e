"""Print what this package and its tests need, without the upper bounds: what `make test-next` installs."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

_PYPROJECT: Final = Path(__file__).parents[1] / "pyproject.toml"


def unbounded_requirements(project: dict[str, Any]) -> list[str]:
    """Return the requirements of all extras, without upper bounds and without those on the package itself.

    Args:
        project: the table `project` of a pyproject.toml.
    """
    extras: Iterable[list[str]] = project["optional-dependencies"].values()
    listed = map(Requirement, [*project["dependencies"], *(line for lines in extras for line in lines)])
    return [str(_without_upper_bound(requirement)) for requirement in listed if requirement.name != project["name"]]


def _without_upper_bound(requirement: Requirement) -> Requirement:
    lower = [str(bound) for bound in requirement.specifier if not bound.operator.startswith("<")]
    requirement.specifier = SpecifierSet(",".join(lower))
    return requirement


if __name__ == "__main__":
    print(*unbounded_requirements(tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]), sep="\n")
