"""Set the name of the owner in every file that contains it: `python -m publish.owner NAME`.

Badges, links, labels and manifests cannot read pyproject.toml, so they repeat the names that follow from the owner.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

from publish.contents import tracked_files
from publish.names import ROOT, Names, read_names

# https://docs.github.com/en/rest/users: letters, digits and single hyphens inside, at most 39 characters.
_VALID_OWNER = re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Set the owner, and print the path of each file that was changed.

    Returns:
        The exit status: 0 for success, 1 for an invalid name.
    """
    parser = argparse.ArgumentParser(prog="python -m publish.owner", description="Set the name of the owner.")
    parser.add_argument("owner", metavar="NAME", help="the GitHub user or organization that publishes")
    owner: str = parser.parse_args(arguments).owner
    if not _VALID_OWNER.fullmatch(owner):
        print(f"NAME: {owner!r} is not a valid name of a GitHub user or organization", file=sys.stderr)
        return 1
    names = read_names()
    for name in tracked_files():
        path = ROOT / name
        try:
            text = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        if (changed := with_owner(text, owner, names)) != text:
            path.write_text(changed, encoding="utf-8")
            print(name)
    return 0


def with_owner(text: str, owner: str, names: Names) -> str:
    """Return a text with another owner in the names of the repository, of the registry entry and of the image.

    Args:
        text: the content of a file.
        owner: the new owner.
        names: the names until now.
    """
    new = Names(names.project, names.version, names.description, owner)
    text = text.replace(names.image, new.image)
    text = re.sub(rf"(?<![\w-]){re.escape(f'{names.owner}/{names.project}')}", f"{owner}/{names.project}", text)
    return text.replace(f'\nowner = "{names.owner}"', f'\nowner = "{owner}"')


if __name__ == "__main__":
    raise SystemExit(main())
