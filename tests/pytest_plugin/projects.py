"""A user's project, whose tests are run as the user runs them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CONFIGURATION: Final = """
    [pytest]
    addopts = --strict-markers --strict-config -p no:cacheprovider
    filterwarnings = error
"""
TRACKING: Final = '''
    """How the project's code calls the Track API: with one request and no retries."""

    import httpx


    def track(sandbox, person, name, **data):
        with httpx.Client(auth=(sandbox.site_id, sandbox.api_key), base_url=sandbox.url) as http:
            path = f"/api/v1/customers/{person}/events"
            return http.post(path, json={"name": name, "data": data}).status_code
'''


@dataclass(frozen=True, slots=True)
class Outcome:
    """What pytest has printed: its output, and how many tests ended in which way."""

    output: str
    counts: Mapping[str, int]


class Project:
    """A folder with a configuration of pytest, `tracking.track` and the tests that are added to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.add("pytest.ini", CONFIGURATION)
        self.add("tracking.py", TRACKING)

    def add(self, name: str, text: str) -> None:
        """Add a file. The text may be indented."""
        (self.folder / name).write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")

    def run(self, *options: str, **variables: str) -> Outcome:
        """Run pytest with further options and environment variables, and return what it prints."""
        output = self.run_python("-m", "pytest", *options, **variables).stdout
        last = output.splitlines()[-1] if output else ""
        counts = {kind: int(number) for number, kind in re.findall(r"(\d+) ([a-z]+?)s?\b(?=,| in )", last)}
        return Outcome(output, counts)

    def run_python(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run Python with further environment variables. Both streams are in `stdout`."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        path = os.pathsep.join(filter(None, [variables.pop("PYTHONPATH", ""), environment.get("PYTHONPATH"), "."]))
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=environment | variables | {"PYTHONPATH": path, "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
