"""A local Track API to try things against: real HTTP, no account, nothing leaves the machine.

Written from the vendor's contract and importing nothing of `track/`, so that a mistake there can't hide here.
It is as silent as the vendor: what the real API would take with 200 and drop, it takes with 200, drops, and
records as dropped with the reason.
"""

from customerio_track_mcp.sandbox.server import RunningSandbox, run_sandbox
from customerio_track_mcp.sandbox.storage import DataFileError
from customerio_track_mcp.sandbox.track_api import SANDBOX_API_KEY, SANDBOX_SITE_ID

__all__ = ["SANDBOX_API_KEY", "SANDBOX_SITE_ID", "DataFileError", "RunningSandbox", "run_sandbox"]
