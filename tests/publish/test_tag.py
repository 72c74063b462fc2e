"""Which tags can be released."""

from __future__ import annotations

import pytest

from publish.names import PLACEHOLDER_OWNER, Names
from publish.tag import why_not_released

CHANGELOG = "# Changelog\n\n## Unreleased\n\n## 1.2.3 - 2026-12-01\n"


def names(version: str = "1.2.3", owner: str = "acme") -> Names:
    return Names("customerio-track-mcp", version, "A server.", owner)


@pytest.mark.parametrize("owner", ["acme", "Acme"])
def test_tag_of_the_version_can_be_released_by_the_owner(owner: str) -> None:
    assert why_not_released("v1.2.3", owner, names(owner=owner), CHANGELOG) == []


@pytest.mark.parametrize(
    ("tag", "owner", "found", "reason"),
    [
        ("v1.2.4", "acme", names(), "tag: v1.2.4 is not v1.2.3"),
        ("1.2.3", "acme", names(), "tag: 1.2.3 is not v1.2.3"),
        ("v1.2.3", "fork", names(), "owner: acme in pyproject.toml is not fork"),
        ("v1.2.3", "Acme", names(), "owner: acme in pyproject.toml is not Acme"),
        ("v1.2.3", "acme", names(owner=PLACEHOLDER_OWNER), "owner: it is not set"),
        ("v1.2", "acme", names(version="1.2"), "CHANGELOG.md: there is not a section '## 1.2'"),
        ("v1.2.30", "acme", names(version="1.2.30"), "CHANGELOG.md: there is not a section '## 1.2.30'"),
    ],
)
def test_reason_is_reported(tag: str, owner: str, found: Names, reason: str) -> None:
    (problem,) = why_not_released(tag, owner, found, CHANGELOG)
    assert problem.startswith(reason)


def test_every_reason_is_reported() -> None:
    assert len(why_not_released("v9", "fork", names(owner=PLACEHOLDER_OWNER), "")) == 3
