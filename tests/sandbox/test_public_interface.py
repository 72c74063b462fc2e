"""The names of `customerio_track_mcp.sandbox`, which are loaded on first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from customerio_track_mcp import sandbox


def test_every_name_is_loaded_on_first_use() -> None:
    code = """
from customerio_track_mcp import sandbox

assert set(sandbox.__all__) <= set(dir(sandbox)), dir(sandbox)
from customerio_track_mcp.sandbox import *

assert [name for name in sandbox.__all__ if name not in globals()] == []
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'customerio_track_mcp\.sandbox' has no attribute 'Sandboxx'"):
        sandbox.Sandboxx  # noqa: B018
