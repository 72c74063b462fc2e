"""Options of `stdio`, and those of every command with a sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxPageOptions:
    """What can be chosen for every sandbox, embedded or alone.

    Attributes:
        data: the file that keeps its state; None for memory only.
        open: whether to open its page in the browser.
    """

    data: Path | None = None
    open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StdioOptions(SandboxPageOptions):
    """Options of `stdio`.

    Attributes:
        sandbox: whether calls go to a sandbox, or the base URL of the one to use.
        dry_run: whether nothing is sent, whatever the settings say.
    """

    sandbox: bool | str = False
    dry_run: bool = False
