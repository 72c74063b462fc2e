"""The number of file descriptors that the process may open, and how many of them connections may take."""

from __future__ import annotations

import sys
from typing import Final

MAX_OPEN_FILES: Final = 65_536
"""The soft limit is not raised above this number: the hard limit may be a billion, and
`CUSTOMERIO_HTTP_MAX_CONNECTIONS` is expected to be thousands."""

RESERVED: Final = 192
"""Descriptors for everything but callers' connections: 64 to the Track API, 64 more if that is a sandbox in this
process, and the rest for Redis, traces, files, and connections that are about to be refused."""


def raise_open_file_limit() -> int:
    """Raise the soft limit on open files to the hard limit, but not above `MAX_OPEN_FILES`.

    Returns:
        The soft limit.
    """
    if sys.platform == "win32":
        return MAX_OPEN_FILES
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            return soft  # macOS allows less than the hard limit that it reports
        return wanted
    return MAX_OPEN_FILES if soft == resource.RLIM_INFINITY else soft


def connections_within(open_files: int, wanted: int) -> int:
    """Return how many connections to allow.

    Args:
        open_files: the soft limit on open files.
        wanted: the connections that the operator allows.
    """
    return min(wanted, max(open_files - RESERVED, open_files // 2))
