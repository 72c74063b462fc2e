"""Rehearse an agent in a sandbox, and score what it wrote there.

No model judges: the score depends on the state of the sandbox alone.
"""

from customerio_track_mcp.rehearsal.findings import Check, Finding, Outcome, Score
from customerio_track_mcp.rehearsal.preparation import prepare
from customerio_track_mcp.rehearsal.scenario import Scenario, ScenarioError
from customerio_track_mcp.rehearsal.scenario_file import load_scenario
from customerio_track_mcp.rehearsal.scoring import score
from customerio_track_mcp.rehearsal.snapshot import Snapshot, take_snapshot

__all__ = [
    "Check",
    "Finding",
    "Outcome",
    "Scenario",
    "ScenarioError",
    "Score",
    "Snapshot",
    "load_scenario",
    "prepare",
    "score",
    "take_snapshot",
]
