"""Metrics of workers on a full disk.

They are counted in a process of their own: prometheus_client decides where it keeps values when it is imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from customerio_track_mcp.instrumentation.metrics_directory import DIRECTORY_PREFIX

COUNTING: Final = """
import os, resource, shutil, signal, sys
from pathlib import Path
from customerio_track_mcp.instrumentation.metrics import DIRECTORY_VARIABLE, Metrics

metrics = Metrics(["tool"])
shutil.rmtree(os.environ[DIRECTORY_VARIABLE])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, unlimited[1]))  # as if the disk were full
for _ in range(2):
    try:
        metrics.registry()
    except OSError:
        metrics.in_flight(1)
        metrics.shared(True)
        metrics.refused(401)
    else:
        sys.exit("no error")
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
registry = metrics.registry()
metrics.in_flight(7)
names = {sample.name: sample.value for family in registry.collect() for sample in family.samples}
assert names["customerio_track_mcp_calls_in_flight"] == 7
"""


def test_full_disk_does_not_prevent_counting(tmp_path: Path) -> None:
    path = tmp_path / f"{DIRECTORY_PREFIX}x"
    path.mkdir(mode=0o700)
    env = dict(os.environ) | {"PROMETHEUS_MULTIPROC_DIR": str(path)}
    completed = subprocess.run([sys.executable, "-c", COUNTING], env=env, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
