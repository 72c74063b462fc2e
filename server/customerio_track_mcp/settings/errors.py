"""The error of invalid settings."""

from __future__ import annotations


class SettingsError(Exception):
    """The settings are invalid.

    Attributes:
        problems: one line for each invalid setting, without secret values.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))
