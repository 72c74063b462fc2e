"""Keep the working directory out of the import path.

Hosts start this server in the project that is open, and its files are not trusted. Python searches that directory first
if it is started with `-m` and not with `-P`, and wherever `PYTHONPATH` has an empty entry.

This runs before anything else is imported, so it imports only what Python itself has loaded by then, and a module of
this package that does the same.
"""

import os
import sys

from customerio_track_mcp.inherited_environment import set_own_variable


def exclude_working_directory() -> None:
    """Remove the working directory from `sys.path`, and from the `PYTHONPATH` of further processes of this program.

    It stays if this package is installed there.
    """
    try:
        here = os.stat(os.curdir)  # noqa: PTH116 - pathlib may not be loaded yet
    except OSError:
        return  # it was deleted
    installed_in = __file__
    for _ in __name__.split("."):
        installed_in = os.path.dirname(installed_in)  # noqa: PTH120 - as above
    if _is(installed_in, here):
        return
    sys.path[:] = [entry for entry in sys.path if not _is(entry, here)]
    if inherited := os.environ.get("PYTHONPATH"):
        entries = [entry for entry in inherited.split(os.pathsep) if not _is(entry, here)]
        set_own_variable("PYTHONPATH", os.pathsep.join(entries))


def _is(entry: str, directory: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(entry or os.curdir), directory)  # noqa: PTH116 - as above
    except OSError:
        return False
