"""Check that a tag can be released: `python -m publish.tag TAG OWNER`.

Prints what the other jobs of .github/workflows/release.yml need, as lines `name=value`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from publish.names import PLACEHOLDER_OWNER, ROOT, Names, read_names


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a tag.

    Returns:
        The exit status: 0 if it can be released; 1 if it cannot, after printing each reason.
    """
    parser = argparse.ArgumentParser(prog="python -m publish.tag", description="Check that a tag can be released.")
    parser.add_argument("tag", metavar="TAG", help="the tag, such as v1.2.3")
    parser.add_argument("owner", metavar="OWNER", help="the owner of the repository in which the tag is")
    options = parser.parse_args(arguments)
    names = read_names()
    if problems := why_not_released(options.tag, options.owner, names, (ROOT / "CHANGELOG.md").read_text("utf-8")):
        print("\n".join(problems), file=sys.stderr)
        return 1
    print(f"version={names.version}\nimage={names.image}\ncreated={_commit_time(ROOT)}")
    return 0


def why_not_released(tag: str, owner: str, names: Names, changelog: str) -> list[str]:
    """Return each reason why a tag cannot be released; none if it can.

    Args:
        tag: the tag.
        owner: the owner of the repository in which the tag is.
        names: the names in the tagged commit.
        changelog: the text of CHANGELOG.md.
    """
    problems = []
    if tag != f"v{names.version}":
        problems.append(
            f"tag: {tag} is not v{names.version}; set the version in pyproject.toml, then create the tag again"
        )
    if names.owner == PLACEHOLDER_OWNER:
        problems.append("owner: it is not set; run: python -m publish.owner NAME")
    elif names.owner != owner:
        # The MCP registry compares case too (isResourceMatch in its internal/auth/jwt.go).
        problems.append(
            f"owner: {names.owner} in pyproject.toml is not {owner}, which owns this repository; "
            f"run: python -m publish.owner {owner}"
        )
    if not re.search(rf"^## {re.escape(names.version)}(?![\w.])", changelog, re.MULTILINE):
        problems.append(f"CHANGELOG.md: there is not a section '## {names.version}'; rename 'Unreleased'")
    return problems


def _commit_time(checkout: Path) -> str:
    """Return the time of the last commit, in the format of RFC 3339."""
    command = ["git", "log", "-1", "--format=%cI"]
    return subprocess.run(command, cwd=checkout, capture_output=True, encoding="utf-8", check=True).stdout.strip()


if __name__ == "__main__":
    raise SystemExit(main())
