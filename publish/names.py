"""Names under which a release is published: repository, registry entry, container image.

They follow from the owner's name in `[tool.customerio-track-mcp.publish]` of pyproject.toml, which is the one place to
edit before the first release. RELEASING.md says how.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PLACEHOLDER_OWNER: Final = "OWNER"
"""The owner's name in pyproject.toml until somebody sets it. Nothing can be published under it."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one project.

    Attributes:
        project: the name of the Python package, of its console script, and of the repository.
        version: the version of the package.
        description: one sentence about the package.
        owner: the GitHub user or organization that publishes it.
    """

    project: str
    version: str
    description: str
    owner: str

    @property
    def title(self) -> str:
        """What people read."""
        return "Customer.io Track API"

    @property
    def repository(self) -> str:
        """The URL of the source code, without a slash at the end."""
        return f"https://github.com/{self.owner}/{self.project}"

    @property
    def registry_name(self) -> str:
        """The server's name in the MCP registry, which lets a GitHub owner publish below `io.github.OWNER` only."""
        return f"io.github.{self.owner}/{self.project}"

    @property
    def image(self) -> str:
        """The container image without a tag. Image names are lower case, whatever the owner's name is."""
        return f"ghcr.io/{self.owner}/{self.project}".lower()

    @property
    def image_label(self) -> tuple[str, str]:
        """Name and value of the image's label by which the MCP registry proves that the image belongs to its entry."""
        return "io.modelcontextprotocol.server.name", self.registry_name

    @property
    def readme_line(self) -> str:
        """The text in README.md by which the MCP registry proves that the PyPI package belongs to its entry."""
        return f"mcp-name: {self.registry_name}"

    @property
    def bundle(self) -> str:
        """The file name of the bundle."""
        return f"{self.project}-{self.version}.mcpb"

    def release_file(self, name: str) -> str:
        """Return the URL of a file of this version's release, whose tag is `vVERSION`."""
        return f"{self.repository}/releases/download/v{self.version}/{name}"

    @property
    def is_placeholder(self) -> bool:
        """Whether the owner is not set yet, so that nothing can be published."""
        return self.owner == PLACEHOLDER_OWNER


def read_names(pyproject: Path = ROOT / "pyproject.toml") -> Names:
    """Read the names from pyproject.toml.

    Raises:
        KeyError: the file has no owner, or no static name, version or description.
    """
    content = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    project = content["project"]
    return Names(
        project=project["name"],
        version=project["version"],
        description=project["description"],
        owner=content["tool"]["customerio-track-mcp"]["publish"]["owner"],
    )
