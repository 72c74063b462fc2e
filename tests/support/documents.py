"""The project's documents, and the settings that they must document."""

from __future__ import annotations

import re
from pathlib import Path

from customerio_track_mcp.settings.control import ControlSettings
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.settings.server import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ENV_EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
DEPLOY = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
PRIVACY = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
TOOLS = (ROOT / "docs" / "tools.md").read_text(encoding="utf-8")
TROUBLESHOOTING = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
DOCUMENTS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted((*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")))
}
CONTROL_VARIABLES = {Settings.variable(name): field for name, field in ControlSettings.model_fields.items()}
OWN_VARIABLES = {
    Settings.variable(name): field
    for name, field in Settings.model_fields.items()
    if name not in ControlSettings.model_fields
}
VARIABLES = OWN_VARIABLES | CONTROL_VARIABLES
HTTP_VARIABLES = {HttpSettings.variable(name): field for name, field in HttpSettings.model_fields.items()}


def blocks(text: str, language: str) -> list[str]:
    """Return the contents of the fenced code blocks of `text` in one language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def section(heading: str, document: str = README) -> str:
    """Return the text below a heading, up to the next one. The heading is given with its `#` marks."""
    _, _, after = document.partition(f"\n{heading}\n")
    assert after, heading
    return re.split(r"\n#+ ", after)[0]
