"""How a bundle's server is started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from publish.trial import new_users_environment, start_parameters

MANIFEST = {
    "server": {
        "mcp_config": {
            "command": "uv",
            "args": ["run", "--directory", "${__dirname}", "main.py", "--region=${user_config.region}"],
            "env": {"KEY": "${user_config.key}", "SANDBOX": "${user_config.sandbox}", "PLAIN": "as it is"},
        }
    },
    "user_config": {
        "region": {"type": "string", "default": "US"},
        "key": {"type": "string"},
        "sandbox": {"type": "boolean", "default": False},
    },
}


def test_variables_become_what_the_user_entered_or_the_default(tmp_path: Path) -> None:
    parameters = start_parameters(MANIFEST, tmp_path, {"key": "secret"})
    assert parameters.command == "uv"
    assert parameters.args == ["run", "--directory", str(tmp_path), "main.py", "--region=US"]
    assert parameters.env == {"KEY": "secret", "SANDBOX": "false", "PLAIN": "as it is"}
    assert parameters.cwd == tmp_path
    switched_on = start_parameters(MANIFEST, tmp_path, {"sandbox": True}).env
    assert switched_on is not None
    assert switched_on["SANDBOX"] == "true"


@pytest.mark.parametrize("variable", ["CUSTOMERIO_API_KEY", "PYTHONPATH", "VIRTUAL_ENV", "COVERAGE_PROCESS_START"])
def test_new_user_has_nothing_of_this_one(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "a value that must not be passed on")
    environment = new_users_environment(tmp_path)
    assert variable not in environment
    assert environment["HOME"] == environment["USERPROFILE"] == str(tmp_path)
    assert os.defpath in environment["PATH"]
