"""The image's health check, run outside of a container."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.support.documents import ROOT

SCRIPT: Final = ROOT / "deploy" / "container-health.bash"
UNUSED_PROXY: Final = "http://127.0.0.1:9"


@contextmanager
def first_process(*arguments: str) -> Iterator[str]:
    """Run a process with this command line, preceded by a shell's; yields its id."""
    command = ["/bin/sh", "-c", "echo started; read line", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield str(process.pid)


def health_check(process: str) -> subprocess.CompletedProcess[str]:
    """Run the health check as if this were the container's first process."""
    env = dict(os.environ) | {"HTTP_PROXY": UNUSED_PROXY, "http_proxy": UNUSED_PROXY}
    command = ["bash", str(SCRIPT), process]
    return subprocess.run(command, env=env, capture_output=True, encoding="utf-8", check=False)
