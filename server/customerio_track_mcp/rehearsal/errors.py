"""What is wrong with a scenario."""

from __future__ import annotations

from collections.abc import Sequence


class ScenarioError(Exception):
    """A scenario cannot be used. The text contains each problem on a line.

    Attributes:
        problems: what is wrong, where, and what is accepted: a sentence each.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))
