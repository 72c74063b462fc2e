"""Changes of environment variables that are for this program only, and the environment without them.

`cli.import_path` uses it before anything else is imported, so it imports only what Python itself has loaded by then.
"""

import os

_inherited: dict[str, str | None] = {}
"""The values that variables had before this program changed them; None if they were not set."""


def set_own_variable(name: str, value: str) -> None:
    """Set an environment variable for this process and for further processes of this program."""
    _inherited.setdefault(name, os.environ.get(name))
    os.environ[name] = value


def inherited_environment() -> dict[str, str]:
    """Return the environment as the user has it, for other programs."""
    variables = {**os.environ, **_inherited}
    return {name: value for name, value in variables.items() if value is not None}
