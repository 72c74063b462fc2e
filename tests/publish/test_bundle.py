"""What stops the bundle from being built; tests/integration/test_bundle.py builds it and starts it."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from publish import bundle
from publish.locked import LockedPackage

PINS = [
    Requirement("PyJWT==2.15.1"),
    Requirement("pydantic_core==2.0"),
    Requirement("cryptography==48.0.1; sys_platform == 'darwin' and platform_machine == 'x86_64'"),
    Requirement("cryptography==50.0.2; sys_platform != 'darwin' or platform_machine != 'x86_64'"),
]


@pytest.mark.parametrize(
    ("name", "version", "is_pinned"),
    [
        ("pyjwt", "2.15.1", True),
        ("pydantic-core", "2.0", True),
        ("cryptography", "48.0.1", True),
        ("cryptography", "50.0.2", True),
        ("cryptography", "49.0.0", False),
        ("pyjwt", "2.15.2", False),
        ("pywin32", "312", False),
    ],
)
def test_versions_that_do_not_follow_from_the_pins_are_reported(name: str, version: str, is_pinned: bool) -> None:
    package = LockedPackage(name, version, Requirement(f"{name}=={version}"), [])
    line = f"{name} {version} is not pinned in constraints.txt; add a line for it"
    assert bundle.unpinned_packages([package], PINS) == ([] if is_pinned else [line])


def test_missing_wheel_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bundle, "_pack_command", list)
    assert bundle.main([str(tmp_path), "--wheel", str(tmp_path / "x.whl")]) == 1
    assert capsys.readouterr().err.endswith("x.whl is not a file\n")


def test_missing_packer_is_reported_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # without Node.js
    with pytest.raises(bundle.BundleError, match=r"run: npm install --prefix publish/mcpb$"):
        bundle.build_bundle(tmp_path)
    assert list(tmp_path.iterdir()) == []
