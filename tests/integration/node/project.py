"""A project of a Node.js developer with the files that docs/testing.md shows, and the programs that run its tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.support.documents import DOCUMENTS, blocks, section

FOLDER: Final = Path(__file__).parent
MODULES: Final = FOLDER / "node_modules"
NODE: Final = FOLDER.parent / "conformance" / "node_modules" / "node" / "bin" / "node"
VITEST: Final = MODULES / "vitest" / "vitest.mjs"
PROGRAM: Final = Path(sys.executable).with_name("customerio-track-mcp")

needs_node = pytest.mark.skipif(
    not (NODE.exists() and VITEST.exists()) and "REQUIRE_NODE" not in os.environ,
    reason="Node.js and the vendor's SDK are not installed",
)
"""To install them: `npm install --ignore-scripts --prefix tests/integration/node`, and that of ../conformance."""

PAGE: Final = DOCUMENTS["docs/testing.md"]
FILES: Final = dict(re.findall(r"```js\n// (\S+\.mjs)\n(.*?)```", PAGE, re.DOTALL))
"""The files of the project that the page shows, by their path."""
APP: Final = "purchases.mjs"
HELPER: Final = "tests/sandbox.mjs"
TESTS: Final = "tests/purchases.test.mjs"


def block(heading: str, language: str) -> str:
    """Return the only code block in one language below a heading of the page."""
    (found,) = blocks(section(heading, PAGE), language)
    return found


class Project:
    """The project in a folder: two files of tests, which are the same, beside the app and the helper.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._modules = folder / "node_modules"
        self._modules.mkdir(parents=True)
        self.use_sdk("customerio-node")
        for name, text in FILES.items():
            self.write(name, text)
        self.copy_tests()

    def use_sdk(self, package: str) -> None:
        """Make what is installed as `package` the project's `customerio-node`."""
        link = self._modules / "customerio-node"
        link.unlink(missing_ok=True)
        link.symlink_to(MODULES / package, target_is_directory=True)

    def install(self, package: str) -> None:
        """Add a package to the project under its own name."""
        (self._modules / package).symlink_to(MODULES / package, target_is_directory=True)

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def edit(self, name: str, before: str, after: str) -> None:
        """Replace a text that a file contains once."""
        text = (self.folder / name).read_text(encoding="utf-8")
        assert text.count(before) == 1, before
        self.write(name, text.replace(before, after))
        self.copy_tests()

    def copy_tests(self) -> None:
        """Make the second file of tests the same as the first."""
        self.write("tests/more.test.mjs", (self.folder / TESTS).read_text(encoding="utf-8"))

    def node(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run Node.js in the project until it exits.

        Args:
            arguments: those of `node`.
            env: variables besides those of this process.
        """
        search = os.pathsep.join([str(NODE.parent), str(PROGRAM.parent), os.environ["PATH"]])
        return subprocess.run(
            [NODE, *arguments],
            cwd=self.folder,
            env={**os.environ, "PATH": search, "NO_COLOR": "1", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    def run_tests(self, command: str = "node --test") -> tuple[dict[str, int], str]:
        """Run the tests with a command of the page: the variables that it sets, `node`, and options.

        Returns:
            How many tests passed and failed, and the output.
        """
        words = command.split()
        variables = dict(word.split("=", 1) for word in words[: words.index("node")])
        options = words[words.index("node") + 1 :]
        completed = self.node(*options, "--test-reporter=tap", env=variables)
        counts = dict(re.findall(r"^# (pass|fail) (\d+)$", completed.stdout, re.MULTILINE))
        assert completed.returncode == int(counts["fail"] != "0"), completed.stdout
        return {name: int(number) for name, number in counts.items()}, completed.stdout
