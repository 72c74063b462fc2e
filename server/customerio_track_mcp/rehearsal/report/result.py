"""What the reports are about: the rehearsals of one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from customerio_track_mcp.rehearsal.rehearse import Rehearsal


@dataclass(frozen=True, slots=True)
class Result:
    """The rehearsals of one run.

    Attributes:
        rehearsals: those that were scored, in their order.
        not_run: the names of the scenarios that were not, since the run was interrupted or could not continue.
    """

    rehearsals: Sequence[Rehearsal]
    not_run: Sequence[str] = ()

    @property
    def passed(self) -> bool:
        """Whether every scenario was run and has passed."""
        return not self.not_run and all(rehearsal.passed for rehearsal in self.rehearsals)

    @property
    def scenarios(self) -> int:
        """The number of scenarios that were chosen."""
        return len(self.rehearsals) + len(self.not_run)

    @property
    def scenarios_passed(self) -> int:
        """The number of scenarios that have passed."""
        return sum(rehearsal.passed for rehearsal in self.rehearsals)

    @property
    def checks(self) -> int:
        """The number of checks that applied to the scenarios that were run."""
        return sum(len(rehearsal.score.results) for rehearsal in self.rehearsals)

    @property
    def checks_passed(self) -> int:
        """The number of checks without a finding."""
        return sum(not findings for rehearsal in self.rehearsals for findings in rehearsal.score.results.values())

    @property
    def seconds(self) -> float:
        """The time that the agents have run."""
        return sum(rehearsal.agent.seconds for rehearsal in self.rehearsals)
